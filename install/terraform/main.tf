# What resources.tf and grants.tf refer to.
data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  account_id = data.aws_caller_identity.current.account_id
  # Version 5 of the provider has name, version 6 has region; both have id.
  region = data.aws_region.current.id

  # CloudFormation makes these names of the stack's.
  alarm_name     = "${var.function_name}-unanswered"
  dashboard_name = var.function_name
  # A prefix may have 38 characters.
  role_name_prefix = "${substr(var.function_name, 0, 37)}-"
}
