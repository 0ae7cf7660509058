# Made by `cargo xtask generate` of install/template.yaml; change template.yaml instead.

resource "aws_lambda_function" "function" {
  # checkov:skip=CKV_AWS_116:A failed event is tried again by Lambda and its job fails in the pipeline by itself; a queue of old deployments would only tempt to replay them
  # checkov:skip=CKV_AWS_117:It calls public AWS APIs only; in a VPC it would need endpoints for six services
  # checkov:skip=CKV_AWS_115:An invocation watches one deployment; a reserved concurrency would take from the account and make jobs wait
  # checkov:skip=CKV_AWS_173:WATCH_SECONDS is no secret
  function_name    = var.function_name
  description      = "Deploys container images to Amazon ECS services; invoked by CodePipeline."
  filename         = var.zip_path
  source_code_hash = var.zip_path == null ? null : filebase64sha256(var.zip_path)
  s3_bucket        = var.zip_path == null ? var.code_bucket : null
  s3_key           = var.zip_path == null ? (local.has_code_key ? var.code_key : "ecs-deploy-action-0.2.0-${var.architecture}.zip") : null
  handler          = "bootstrap"
  runtime          = "provided.al2023"
  architectures    = [var.architecture]
  memory_size      = 128
  # CodePipeline waits 20 minutes for an answer, and Lambda tries a failed invocation twice
  # again, after 1 and 2 minutes: 3 × 300 s + 3 min are 18 minutes.
  timeout = 300
  role    = aws_iam_role.role.arn

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.log_group.name
  }

  environment {
    variables = {
      # How long an invocation watches a rollout before it hands it back to the pipeline.
      WATCH_SECONDS = "40"
    }
  }

  depends_on = [aws_iam_role_policy.role]

  lifecycle {
    precondition {
      condition     = (var.zip_path == null) != (var.code_bucket == null)
      error_message = "Set zip_path or code_bucket, and not both: it says where the function's zip is."
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "function_event_invoke_config" {
  function_name = aws_lambda_function.function.function_name
  qualifier     = "$LATEST"
  # For an answer that CodePipeline could not take at that moment; everything else is
  # answered by the invocation itself.
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 900
}

resource "aws_cloudwatch_log_group" "log_group" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts it with its own key; no credential is ever logged (a test searches for them)
  name              = "/aws/lambda/${var.function_name}"
  retention_in_days = var.log_retention_in_days
}

# An error of the function is a job left unanswered until Lambda's next try.
resource "aws_cloudwatch_metric_alarm" "unanswered_alarm" {
  alarm_name          = local.alarm_name
  alarm_description   = "The deploy function failed: a job of a pipeline was left unanswered, and Lambda tries again after one and two minutes. The function's log says why."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.function.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.has_alarm_topic ? [var.alarm_topic_arn] : null
}

# --- which deployments failed, why, and how long they took: from the lines of src/metrics.rs ---
resource "aws_cloudwatch_query_definition" "failed_deployments" {
  name            = "${var.function_name}/failed deployments"
  log_group_names = [aws_cloudwatch_log_group.log_group.name]
  query_string    = <<-EOT
    filter Outcome = "Failed"
    | fields @timestamp, Cluster, Service, FailureType, Phase, Duration, Message
    | sort @timestamp desc
    | limit 100
  EOT
}

resource "aws_cloudwatch_query_definition" "durations" {
  name            = "${var.function_name}/durations"
  log_group_names = [aws_cloudwatch_log_group.log_group.name]
  query_string    = <<-EOT
    filter ispresent(Outcome)
    | stats count(*) as Deployments, avg(Duration) as Average, max(Duration) as Longest by Cluster, Service, Outcome
    | sort Deployments desc
  EOT
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = local.dashboard_name
  dashboard_body = <<-EOT
    {
      "widgets": [
        {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {
          "title": "Deployments", "region": "${local.region}", "view": "timeSeries", "stat": "Sum", "period": 3600,
          "metrics": [["EcsDeployAction", "Deployments", "Outcome", "Succeeded", {"color": "#2ca02c"}],
                      ["EcsDeployAction", "Deployments", "Outcome", "Failed", {"color": "#d62728"}]]}},
        {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": {
          "title": "How long they took (s)", "region": "${local.region}", "view": "timeSeries", "stat": "Maximum", "period": 3600,
          "metrics": [["EcsDeployAction", "Duration", "Outcome", "Succeeded"], ["EcsDeployAction", "Duration", "Outcome", "Failed"]]}},
        {"type": "log", "x": 0, "y": 6, "width": 24, "height": 9, "properties": {
          "title": "Failed deployments", "region": "${local.region}", "view": "table",
          "query": "SOURCE '${aws_cloudwatch_log_group.log_group.name}' | filter Outcome = 'Failed' | fields @timestamp, Cluster, Service, FailureType, Phase, Duration, Message | sort @timestamp desc | limit 50"}}
      ]
    }
  EOT
}

resource "aws_iam_role" "role" {
  name_prefix          = local.role_name_prefix
  description          = "What the deploy function may do."
  permissions_boundary = local.has_permissions_boundary ? var.permissions_boundary_arn : null
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy" "role" {
  name = "deploy"
  role = aws_iam_role.role.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for grant in local.grants : grant.statement if grant.when]
  })
}
