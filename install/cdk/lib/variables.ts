/**
 * The output variables of an action, for later actions of the pipeline. What a variable holds is known when the
 * pipeline runs; here it is a reference as `#{Deploy.TaskDefinitionArn}`.
 */
export class EcsDeployVariables {
  /**
   * @param reference makes the reference to a variable
   * @param ofService what follows the names, if the variables are those of one of several services
   * @internal
   */
  constructor(
    private readonly reference: (name: string) => string,
    private readonly ofService: string = '',
  ) {}

  get clusterName(): string {
    return this.named('ClusterName');
  }

  get serviceName(): string {
    return this.named('ServiceName');
  }

  /** The revision that was deployed. */
  get taskDefinitionArn(): string {
    return this.named('TaskDefinitionArn');
  }

  /** The revision that the service ran before. */
  get previousTaskDefinitionArn(): string {
    return this.named('PreviousTaskDefinitionArn');
  }

  /** ECS's id of the deployment, as `ecs-svc/1234567890123456789`. */
  get deploymentId(): string {
    return this.named('DeploymentId');
  }

  get serviceDeploymentArn(): string {
    return this.named('ServiceDeploymentArn');
  }

  /** The PAUSE hook at which the deployment waits. Only set with `waitFor: 'Pause'`. */
  get hookId(): string {
    return this.named('HookId');
  }

  /** The stage of that hook. Only set with `waitFor: 'Pause'`. */
  get lifecycleStage(): string {
    return this.named('LifecycleStage');
  }

  /** When that hook expires. Only set with `waitFor: 'Pause'`. */
  get hookExpiresAt(): string {
    return this.named('HookExpiresAt');
  }

  /** The image that a container runs now. */
  image(container: string): string {
    return this.named(`Image-${container}`);
  }

  /** The variables of one of several services, by its name. Those without a service are the first one's. */
  service(name: string): EcsDeployVariables {
    return new EcsDeployVariables(this.reference, `-${name}`);
  }

  private named(name: string): string {
    return this.reference(name + this.ofService);
  }
}
