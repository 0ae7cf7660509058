# Made by `cargo xtask generate` of install/template.yaml; change template.yaml instead.

variable "zip_path" {
  description = "Path of the release's zip on the machine that runs Terraform. Or set code_bucket."
  type        = string
  default     = null
}

variable "code_bucket" {
  description = "Bucket that the release's zip was copied to. It must be in the Region of the function. Or set zip_path."
  type        = string
  default     = null

  validation {
    condition     = var.code_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.code_bucket))
    error_message = "code_bucket must match ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$."
  }
}

variable "code_key" {
  description = "Key of the zip in that bucket, if it is not the file's own name. It must be the zip for architecture."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.code_key) <= 1024
    error_message = "code_key must have a length that is <= 1024."
  }
}

variable "task_role_arns" {
  description = "ARNs of the roles that the task definitions name (executionRoleArn and taskRoleArn). The function passes them on to ECS with each revision."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for one in var.task_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$", one))])
    error_message = "task_role_arns: each item must match ^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$."
  }

  validation {
    condition     = length(var.task_role_arns) > 0
    error_message = "task_role_arns must have at least one item."
  }
}

variable "cluster_name" {
  description = "Cluster whose services the function may deploy; * for every cluster of the account in this Region."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_*-]{1,255}$", var.cluster_name))
    error_message = "cluster_name must match ^[A-Za-z0-9_*-]{1,255}$."
  }
}

variable "service_name" {
  description = "Service that the function may deploy; * for every service of the cluster."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_*-]{1,255}$", var.service_name))
    error_message = "service_name must match ^[A-Za-z0-9_*-]{1,255}$."
  }
}

variable "task_definition_family" {
  description = "Task definition family that the function may register revisions of; * for every family."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_*-]{1,255}$", var.task_definition_family))
    error_message = "task_definition_family must match ^[A-Za-z0-9_*-]{1,255}$."
  }
}

variable "allow_pre_deploy_tasks" {
  description = "Whether the function may run a task before a deployment or after it (PreDeployTask, PostDeployTask)."
  type        = bool
  default     = false
  nullable    = false
}

variable "allow_approvals" {
  description = "Whether the function may answer the PAUSE hooks of deployments (ContinueDeployment)."
  type        = bool
  default     = false
  nullable    = false
}

variable "allow_scheduled_tasks" {
  description = "Whether the function may point EventBridge rules and schedules at new revisions (ScheduledTasks)."
  type        = bool
  default     = false
  nullable    = false
}

variable "schedule_role_arns" {
  description = "ARNs of the roles that those rules and schedules run tasks with. The function passes them on to EventBridge. Empty for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.schedule_role_arns : can(regex("^$|^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$", one))])
    error_message = "schedule_role_arns: each item must match ^$|^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$."
  }
}

variable "allow_keep_revisions" {
  description = "Whether the function may see which revisions are in use anywhere in the account, to deregister the others (KeepRevisions)."
  type        = bool
  default     = false
  nullable    = false
}

variable "deploy_role_arns" {
  description = "ARNs of roles of other accounts that the function may assume to deploy there (RoleArn). Empty for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.deploy_role_arns : can(regex("^$|^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$", one))])
    error_message = "deploy_role_arns: each item must match ^$|^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+$."
  }
}

variable "allow_verify_dependencies" {
  description = "Whether the function may look at what new tasks need before it deploys (VerifyDependencies): that secrets, parameters, log groups, roles and alarms are there. It reads no secret; of parameters that are no secrets Systems Manager sends the value along, which is dropped."
  type        = bool
  default     = true
  nullable    = false
}

variable "event_bus_arn" {
  description = "ARN of the EventBridge bus that the function may send events to (EventBus). Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/.+$", var.event_bus_arn))
    error_message = "event_bus_arn must match ^$|^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/.+$."
  }
}

variable "image_repository" {
  description = "ECR repository whose images the function may look at before it deploys them: its name, not its URI; * for every one."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_/.*-]{1,256}$", var.image_repository))
    error_message = "image_repository must match ^[a-z0-9_/.*-]{1,256}$."
  }
}

variable "container_log_group" {
  description = "Log group whose last lines explain why a container failed; * for every one."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#*-]{1,512}$", var.container_log_group))
    error_message = "container_log_group must match ^[A-Za-z0-9_/.#*-]{1,512}$."
  }
}

variable "hook_function" {
  description = "Function that lifecycle hooks call, whose log explains why one failed; * for every one."
  type        = string
  default     = "*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_*-]{1,64}$", var.hook_function))
    error_message = "hook_function must match ^[A-Za-z0-9_*-]{1,64}$."
  }
}

variable "manual_artifact_bucket" {
  description = "Bucket whose artifacts the function may read when it is invoked by hand with Artifact. Empty for none; in a pipeline the job brings credentials of its own."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^[a-z0-9.-]{3,63}$", var.manual_artifact_bucket))
    error_message = "manual_artifact_bucket must match ^$|^[a-z0-9.-]{3,63}$."
  }
}

variable "manual_artifact_key_arn" {
  description = "ARN of the customer's KMS key that encrypts that bucket. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.manual_artifact_key_arn))
    error_message = "manual_artifact_key_arn must match ^$|^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$."
  }
}

variable "function_name" {
  description = "Name of the function, for FunctionName in the pipeline's action. Each installation in an account and Region needs one of its own."
  type        = string
  default     = "ecs-deploy-action"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name must match ^[A-Za-z0-9_-]{1,64}$."
  }
}

variable "architecture" {
  description = "CPU of the function, not of the tasks that it deploys. It chooses the zip in the bucket, unless code_key does; a zip of zip_path must be built for it."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be one of arm64, x86_64."
  }
}

variable "log_retention_in_days" {
  description = "How long the function's log is kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_in_days)
    error_message = "log_retention_in_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "alarm_topic_arn" {
  description = "SNS topic that is notified when the function itself fails, which leaves a job unanswered until Lambda's next try. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:sns:.+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must match ^$|^arn:[a-z-]+:sns:.+$."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the role, if your organization requires one. Empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must match ^$|^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$."
  }
}
