export { EcsDeployFunction, EcsDeployFunctionProps } from './function';
export {
  ContainerPatch,
  ContinueDeployment,
  EcsLambdaDeployAction,
  EcsLambdaDeployActionProps,
  ServiceEntry,
  StandaloneTask,
  TaskDefinitionPatch,
} from './action';
export { EcsDeployVariables } from './variables';
