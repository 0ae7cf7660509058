# The function, and a pipeline that builds an image and deploys it with the function. Everything that the
# variables name is there already.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.41, < 7.0"
    }
  }
}

variable "zip_path" {
  description = "Path of the release's zip for arm64."
  type        = string
}

variable "task_role_arns" {
  description = "ARNs of the roles that the service's task definition names."
  type        = list(string)
}

variable "connection_arn" {
  description = "ARN of the CodeConnections connection to the source."
  type        = string
}

variable "repository" {
  description = "owner/name of the repository."
  type        = string
}

variable "artifact_bucket" {
  description = "Name of the bucket for the pipeline's artifacts."
  type        = string
}

variable "build_project" {
  description = "Name of the CodeBuild project that pushes the image and writes imagedefinitions.json."
  type        = string
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.artifact_bucket}"
  here       = "${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}"
}

module "deploy" {
  source = "../.."

  zip_path       = var.zip_path
  task_role_arns = var.task_role_arns
  # It may deploy this service and no other.
  cluster_name           = "prod"
  service_name           = "web"
  task_definition_family = "web"
}

resource "aws_codepipeline" "web" {
  name          = "web"
  role_arn      = aws_iam_role.pipeline.arn
  pipeline_type = "V2"
  # A deployment that is under way is not overtaken by the next.
  execution_mode = "QUEUED"

  artifact_store {
    type     = "S3"
    location = var.artifact_bucket
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["Source"]

      configuration = {
        ConnectionArn    = var.connection_arn
        FullRepositoryId = var.repository
        BranchName       = "main"
      }
    }
  }

  stage {
    name = "Build"

    action {
      name             = "Image"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["Source"]
      output_artifacts = ["BuildOutput"]

      configuration = {
        ProjectName = var.build_project
      }
    }
  }

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
        FunctionName = module.deploy.function_name
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

resource "aws_iam_role" "pipeline" {
  name_prefix = "web-pipeline-"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "codepipeline.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "pipeline" {
  name = "pipeline"
  role = aws_iam_role.pipeline.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      # What the deploy stage needs.
      {
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = module.deploy.function_arn
      },
      {
        Effect   = "Allow"
        Action   = "lambda:ListFunctions"
        Resource = "*"
      },
      # What every pipeline needs. A key of your own for the bucket wants kms:Decrypt and kms:GenerateDataKey, too.
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        Resource = "${local.bucket_arn}/*"
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetBucketVersioning", "s3:ListBucket"]
        Resource = local.bucket_arn
      },
      {
        Effect   = "Allow"
        Action   = ["codeconnections:UseConnection", "codestar-connections:UseConnection"]
        Resource = var.connection_arn
      },
      {
        Effect   = "Allow"
        Action   = ["codebuild:StartBuild", "codebuild:BatchGetBuilds"]
        Resource = "arn:${data.aws_partition.current.partition}:codebuild:${local.here}:project/${var.build_project}"
      },
    ]
  })
}
