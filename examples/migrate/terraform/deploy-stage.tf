# The function, by its name: FunctionName of the template. If Terraform installed it, take the outputs of that
# module instead: module.deploy.function_name and module.deploy.function_arn.
data "aws_lambda_function" "deploy" {
  function_name = "ecs-deploy-action"
}

# In the aws_codepipeline resource, in place of the stage with the built-in action:
resource "aws_codepipeline" "web" {
  # … name, role_arn, artifact_store, the stages before …

  stage {
    name = "Deploy"

    action {
      name            = "Deploy"
      category        = "Invoke"
      owner           = "AWS"
      provider        = "Lambda"
      version         = "1"
      input_artifacts = ["BuildOutput"]
      namespace       = "Deploy"

      configuration = {
        FunctionName = data.aws_lambda_function.deploy.function_name
        UserParameters = jsonencode({
          ClusterName         = "prod"
          ServiceName         = "web"
          DeploymentTimeout   = 15
          PipelineExecutionId = "#{codepipeline.PipelineExecutionId}"
        })
      }
    }
  }
}

# What the pipeline's role needs besides its access to the artifacts:
resource "aws_iam_role_policy" "invoke_deploy_function" {
  name   = "invoke-deploy-function"
  role   = "web-pipeline" # the name of the pipeline's role
  policy = data.aws_iam_policy_document.invoke_deploy_function.json
}

data "aws_iam_policy_document" "invoke_deploy_function" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [data.aws_lambda_function.deploy.arn]
  }

  statement {
    actions   = ["lambda:ListFunctions"]
    resources = ["*"]
  }
}
