import { aws_codepipeline as codepipeline, aws_codepipeline_actions as actions, aws_lambda as lambda, Stack } from 'aws-cdk-lib';

/** Adds a stage that deploys what `buildOutput` says with the function of template.yaml. */
export function addDeployStage(pipeline: codepipeline.Pipeline, buildOutput: codepipeline.Artifact): void {
  const stack = Stack.of(pipeline);
  pipeline.addStage({
    stageName: 'Deploy',
    actions: [
      new actions.LambdaInvokeAction({
        actionName: 'Deploy',
        lambda: lambda.Function.fromFunctionName(stack, 'DeployFunction', 'ecs-deploy-action'),
        inputs: [buildOutput],
        userParameters: { ClusterName: 'prod', ServiceName: 'web', DeploymentTimeout: 15 },
        variablesNamespace: 'Deploy',
      }),
    ],
  });
}
