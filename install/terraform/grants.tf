# Made by `cargo xtask generate` of install/template.yaml; change template.yaml instead.

# What the variables turn on.
locals {
  has_code_key               = var.code_key != ""
  verifies_dependencies      = var.allow_verify_dependencies
  has_pre_deploy_tasks       = var.allow_pre_deploy_tasks
  has_approvals              = var.allow_approvals
  has_scheduled_tasks        = var.allow_scheduled_tasks
  has_schedule_roles         = local.has_scheduled_tasks && join("", var.schedule_role_arns) != ""
  has_keep_revisions         = var.allow_keep_revisions
  sees_schedules             = local.has_scheduled_tasks || local.has_keep_revisions
  has_deploy_roles           = join("", var.deploy_role_arns) != ""
  has_manual_artifact_bucket = var.manual_artifact_bucket != ""
  has_manual_artifact_key    = var.manual_artifact_key_arn != ""
  has_event_bus              = var.event_bus_arn != ""
  has_alarm_topic            = var.alarm_topic_arn != ""
  has_permissions_boundary   = var.permissions_boundary_arn != ""
}

# The statements of the role's policy, each with what turns it on. A comment says who needs it: a file of
# the function's source, or a service.
locals {
  grants = [
    # src/logs.rs, by way of Lambda
    {
      when = true
      statement = {
        Sid      = "WriteTheLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.log_group.arn}:*:*"
      }
    },
    # src/aws/codepipeline.rs; these support no resource
    {
      when = true
      statement = {
        Sid      = "AnswerTheJob"
        Effect   = "Allow"
        Action   = ["codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult"]
        Resource = "*"
      }
    },
    # src/aws/ecs.rs; these support no resource. A revision that no service came to use is
    # deregistered
    {
      when = true
      statement = {
        Sid      = "ReadAndDeregisterRevisions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:DeregisterTaskDefinition"]
        Resource = "*"
      }
    },
    # src/aws/ecs.rs
    {
      when = true
      statement = {
        Sid      = "RegisterRevisions"
        Effect   = "Allow"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task-definition/${var.task_definition_family}:*"
      }
    },
    # src/aws/ecs.rs; the new revision has the tags of the one before
    {
      when = true
      statement = {
        Sid       = "TagNewRevisions"
        Effect    = "Allow"
        Action    = "ecs:TagResource"
        Resource  = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task-definition/${var.task_definition_family}:*"
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      }
    },
    # ECS, on RegisterTaskDefinition
    {
      when = true
      statement = {
        Sid       = "PassTheTasksRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.task_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      }
    },
    # src/aws/ecs.rs: to revisions of that family only, whatever an artifact or an event says
    {
      when = true
      statement = {
        Sid      = "UpdateServices"
        Effect   = "Allow"
        Action   = "ecs:UpdateService"
        Resource = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service/${var.cluster_name}/${var.service_name}"
        Condition = {
          ArnLike = {
            "ecs:task-definition" = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task-definition/${var.task_definition_family}:*"
          }
        }
      }
    },
    # src/aws/ecs.rs
    {
      when = true
      statement = {
        Sid    = "FollowServices"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServices",
          "ecs:StopServiceDeployment",
          "ecs:ListServiceDeployments",
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServiceRevisions",
        ]
        Resource = [
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service/${var.cluster_name}/${var.service_name}",
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service-deployment/${var.cluster_name}/${var.service_name}/*",
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service-revision/${var.cluster_name}/${var.service_name}/*",
        ]
      }
    },
    # src/aws/ecs.rs: why tasks stopped
    {
      when = true
      statement = {
        Sid      = "ListStoppedTasks"
        Effect   = "Allow"
        Action   = "ecs:ListTasks"
        Resource = "*"
        Condition = {
          ArnLike = {
            "ecs:cluster" = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:cluster/${var.cluster_name}"
          }
        }
      }
    },
    {
      when = true
      statement = {
        Sid      = "ReadStoppedTasks"
        Effect   = "Allow"
        Action   = "ecs:DescribeTasks"
        Resource = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.cluster_name}/*"
      }
    },
    # src/aws/logs.rs: the last lines of a container that failed
    {
      when = true
      statement = {
        Sid      = "ReadTheContainersLogs"
        Effect   = "Allow"
        Action   = "logs:GetLogEvents"
        Resource = "arn:${local.partition}:logs:*:${local.account_id}:log-group:${var.container_log_group}:log-stream:*"
      }
    },
    # of the function that a lifecycle hook calls and that failed
    {
      when = true
      statement = {
        Sid      = "ReadTheHooksLogs"
        Effect   = "Allow"
        Action   = "logs:FilterLogEvents"
        Resource = "arn:${local.partition}:logs:*:${local.account_id}:log-group:/aws/lambda/${var.hook_function}:*"
      }
    },
    # src/aws/elb.rs: whether they are there, and what the health check asks for that tasks failed; it
    # supports no resource
    {
      when = true
      statement = {
        Sid      = "ReadTargetGroups"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:DescribeTargetGroups"
        Resource = "*"
      }
    },
    # src/aws/ecr.rs: whether the images exist and fit; other accounts' repositories need
    # a policy of their own, too
    {
      when = true
      statement = {
        Sid      = "VerifyImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:${local.partition}:ecr:*:*:repository/${var.image_repository}"
      }
    },
    # for an image that ECR does not have: whether a pull-through cache would fetch it
    {
      when = true
      statement = {
        Sid      = "ReadPullThroughCacheRules"
        Effect   = "Allow"
        Action   = "ecr:DescribePullThroughCacheRules"
        Resource = "*"
      }
    },
    # src/aws/secrets.rs, src/aws/ssm.rs: whether they are there
    {
      when = local.verifies_dependencies
      statement = {
        Sid      = "VerifySecretsAndParameters"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "ssm:GetParameters"]
        Resource = ["arn:${local.partition}:secretsmanager:*:*:secret:*", "arn:${local.partition}:ssm:*:*:parameter/*"]
      }
    },
    # Of a SecureString under AWS's own key GetParameters would decrypt the value for whoever may call it.
    {
      when = local.verifies_dependencies
      statement = {
        Sid       = "DecryptNoParameter"
        Effect    = "Deny"
        Action    = "kms:Decrypt"
        Resource  = "*"
        Condition = { StringLike = { "kms:ViaService" = "ssm.*.${local.dns_suffix}" } }
      }
    },
    # src/aws/logs.rs: whether there is the log group
    {
      when = local.verifies_dependencies
      statement = {
        Sid    = "VerifyLogGroups"
        Effect = "Allow"
        Action = "logs:DescribeLogStreams"
        Resource = [
          "arn:${local.partition}:logs:*:${local.account_id}:log-group:${var.container_log_group}",
          "arn:${local.partition}:logs:*:${local.account_id}:log-group:${var.container_log_group}:*",
        ]
      }
    },
    # src/aws/iam.rs: whether ECS's tasks may assume them
    {
      when = local.verifies_dependencies
      statement = {
        Sid      = "VerifyTheTasksRoles"
        Effect   = "Allow"
        Action   = "iam:GetRole"
        Resource = var.task_role_arns
      }
    },
    # src/aws/cloudwatch.rs: whether alarms are on already
    {
      when = local.verifies_dependencies
      statement = {
        Sid    = "VerifyAlarms"
        Effect = "Allow"
        Action = "cloudwatch:DescribeAlarms"
        # Composite alarms are shown to nobody who may see less.
        Resource = "*"
      }
    },
    # src/aws/s3.rs, invoked by hand only: a job brings credentials of its own
    {
      when = local.has_manual_artifact_bucket
      statement = {
        Sid      = "ReadArtifactsOfManualDeployments"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource = "arn:${local.partition}:s3:::${var.manual_artifact_bucket}/*"
      }
    },
    {
      when = local.has_manual_artifact_key
      statement = {
        Sid       = "DecryptArtifactsOfManualDeployments"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.manual_artifact_key_arn
        Condition = { StringLike = { "kms:ViaService" = "s3.*.${local.dns_suffix}" } }
      }
    },
    # src/aws/ecs.rs: the tasks before and after the deployment; ECS wants its roles passed on as above
    {
      when = local.has_pre_deploy_tasks
      statement = {
        Sid      = "RunPreDeployTasks"
        Effect   = "Allow"
        Action   = "ecs:RunTask"
        Resource = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task-definition/${var.task_definition_family}:*"
        Condition = {
          ArnLike = {
            "ecs:cluster" = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:cluster/${var.cluster_name}"
          }
        }
      }
    },
    # ECS, on RunTask: the infrastructure role of volumes that are made for the task
    {
      when = local.has_pre_deploy_tasks
      statement = {
        Sid       = "PassTheVolumesRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.task_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs.amazonaws.com" } }
      }
    },
    # Only while a task is made, and no other tag
    {
      when = local.has_pre_deploy_tasks
      statement = {
        Sid      = "TagPreDeployTasks"
        Effect   = "Allow"
        Action   = "ecs:TagResource"
        Resource = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.cluster_name}/*"
        Condition = {
          StringEquals = { "ecs:CreateAction" = "RunTask" }
          "ForAllValues:StringEquals" = {
            "aws:TagKeys" = ["ecs-deploy-action:pre-deploy", "ecs-deploy-action:post-deploy"]
          }
        }
      }
    },
    # Only tasks that were made so, and no service's
    {
      when = local.has_pre_deploy_tasks
      statement = {
        Sid       = "StopPreDeployTasks"
        Effect    = "Allow"
        Action    = "ecs:StopTask"
        Resource  = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.cluster_name}/*"
        Condition = { StringLike = { "aws:ResourceTag/ecs-deploy-action:pre-deploy" = "?*" } }
      }
    },
    {
      when = local.has_pre_deploy_tasks
      statement = {
        Sid       = "StopPostDeployTasks"
        Effect    = "Allow"
        Action    = "ecs:StopTask"
        Resource  = "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.cluster_name}/*"
        Condition = { StringLike = { "aws:ResourceTag/ecs-deploy-action:post-deploy" = "?*" } }
      }
    },
    # src/aws/ecs.rs: the answer to a PAUSE hook
    {
      when = local.has_approvals
      statement = {
        Sid    = "AnswerPauseHooks"
        Effect = "Allow"
        Action = "ecs:ContinueServiceDeployment"
        Resource = [
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service/${var.cluster_name}/${var.service_name}",
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service-deployment/${var.cluster_name}/${var.service_name}/*",
        ]
      }
    },
    # src/aws/events.rs, src/aws/scheduler.rs: what runs on a schedule, on any cluster. The
    # lists support no resource
    {
      when = local.sees_schedules
      statement = {
        Sid    = "FindWhatRunsOnASchedule"
        Effect = "Allow"
        Action = [
          "ecs:ListClusters",
          "events:ListEventBuses",
          "events:ListRuleNamesByTarget",
          "scheduler:ListSchedules",
        ]
        Resource = "*"
      }
    },
    {
      when = local.sees_schedules
      statement = {
        Sid    = "ReadWhatRunsOnASchedule"
        Effect = "Allow"
        Action = ["events:ListTargetsByRule", "scheduler:GetSchedule"]
        Resource = [
          "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/*",
          "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/*",
        ]
      }
    },
    {
      when = local.has_scheduled_tasks
      statement = {
        Sid    = "PointSchedulesAtNewRevisions"
        Effect = "Allow"
        Action = ["events:PutTargets", "scheduler:UpdateSchedule"]
        Resource = [
          "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/*",
          "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/*",
        ]
      }
    },
    # EventBridge, on PutTargets and UpdateSchedule
    {
      when = local.has_schedule_roles
      statement = {
        Sid       = "PassTheSchedulesRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.schedule_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = ["events.amazonaws.com", "scheduler.amazonaws.com"] } }
      }
    },
    # src/aws/ecs.rs: which revisions are in use, on any cluster. The lists support no
    # resource but a cluster as condition
    {
      when = local.has_keep_revisions
      statement = {
        Sid      = "SeeWhichRevisionsAreInUse"
        Effect   = "Allow"
        Action   = ["ecs:ListServices", "ecs:ListTasks"]
        Resource = "*"
      }
    },
    {
      when = local.has_keep_revisions
      statement = {
        Sid    = "SeeWhoUsesThem"
        Effect = "Allow"
        Action = ["ecs:DescribeServices", "ecs:DescribeTasks"]
        Resource = [
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service/*",
          "arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/*",
        ]
      }
    },
    # src/aws/events.rs: deployments that start and end
    {
      when = local.has_event_bus
      statement = {
        Sid      = "TellTheEventBus"
        Effect   = "Allow"
        Action   = "events:PutEvents"
        Resource = var.event_bus_arn
      }
    },
    # src/aws/sts.rs: accounts to deploy into; their roles have to trust this one
    {
      when = local.has_deploy_roles
      statement = {
        Sid      = "AssumeTheRolesOfOtherAccounts"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = var.deploy_role_arns
      }
    },
  ]
}
