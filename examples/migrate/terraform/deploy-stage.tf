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
        FunctionName = "ecs-deploy-action"
        UserParameters = jsonencode({
          ClusterName       = "prod"
          ServiceName       = "web"
          DeploymentTimeout = 15
        })
      }
    }
  }
}

# What the pipeline's role needs besides its access to the artifacts:
data "aws_iam_policy_document" "invoke_deploy_function" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = ["arn:aws:lambda:eu-central-1:111122223333:function:ecs-deploy-action"]
  }

  statement {
    actions   = ["lambda:ListFunctions"]
    resources = ["*"]
  }
}
