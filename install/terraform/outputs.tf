# Made by `cargo xtask generate` of install/template.yaml; change template.yaml instead.

output "function_name" {
  description = "For FunctionName in the pipeline's action."
  value       = aws_lambda_function.function.function_name
}

output "function_arn" {
  description = "For lambda:InvokeFunction in the pipeline's role."
  value       = aws_lambda_function.function.arn
}

output "log_group_name" {
  description = "Where the function logs."
  value       = aws_cloudwatch_log_group.log_group.name
}

output "dashboard_name" {
  description = "The CloudWatch dashboard of the deployments."
  value       = aws_cloudwatch_dashboard.dashboard.dashboard_name
}

output "role_arn" {
  description = "The function's role; a KMS key or a repository of another account may have to name it."
  value       = aws_iam_role.role.arn
}
