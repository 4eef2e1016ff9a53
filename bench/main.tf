# The resources of a default stack of the program, written for Terraform, for `make bench`. The command fails when the two
# do not create the same number of each type.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0" # the provider inside pulumi-aws 6.83.2
    }
  }
}

provider "aws" {
  region                      = "us-east-2"
  s3_use_path_style           = true
  skip_credentials_validation = true
  default_tags {
    tags = { "private-ec2-access:stack" = "private-ec2-access/bench" }
  }
}

variable "instances" {
  description = "How many instances to create."
  type        = number
  default     = 1
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_availability_zones" "available" { state = "available" }
data "aws_prefix_list" "s3" { name = "com.amazonaws.${local.region}.s3" }
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

locals {
  name      = "private-ec2-access"
  region    = data.aws_region.current.name
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  cidr      = "10.20.0.0/16"
  zones     = slice(data.aws_availability_zones.available.names, 0, 2)
  prefix    = "sessions"

  read_systems_manager_buckets = {
    Sid    = "ReadSystemsManagerBuckets"
    Effect = "Allow"
    Action = ["s3:GetObject"]
    Resource = [for bucket in [
      "aws-ssm-${local.region}", "aws-windows-downloads-${local.region}", "amazon-ssm-${local.region}",
      "amazon-ssm-packages-${local.region}", "${local.region}-birdwatcher-prod",
      "aws-ssm-distributor-file-${local.region}", "patch-baseline-snapshot-${local.region}",
      "aws-patch-manager-${local.region}-552881074", # in us-east-2
    ] : "arn:${local.partition}:s3:::${bucket}/*"]
  }
  write_session_logs = {
    Sid      = "WriteSessionLogs"
    Effect   = "Allow"
    Action   = ["s3:PutObject", "s3:PutObjectAcl"]
    Resource = ["${aws_s3_bucket.logs.arn}/${local.prefix}/*"]
  }
  read_log_bucket_encryption = {
    Sid      = "ReadLogBucketEncryption"
    Effect   = "Allow"
    Action   = ["s3:GetEncryptionConfiguration"]
    Resource = [aws_s3_bucket.logs.arn]
  }
  callers_of_this_account = { StringEquals = { "aws:PrincipalAccount" = local.account } }
}

# The role of the instances

resource "aws_iam_role" "instance" {
  name_prefix = "${local.name}-instance-"
  description = "Private instances, managed by Systems Manager"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = ["ec2.amazonaws.com"] }, Action = ["sts:AssumeRole"] }]
  })
  tags = { Name = "${local.name}-instance" }
}

resource "aws_iam_role_policy_attachment" "managed_instance_core" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_policy" "instance" {
  name_prefix = "${local.name}-instance-"
  description = "Read the Systems Manager buckets, write session logs"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.read_systems_manager_buckets, local.write_session_logs, local.read_log_bucket_encryption]
  })
  tags = { Name = "${local.name}-instance" }
}

resource "aws_iam_role_policy_attachment" "session_logs" {
  role       = aws_iam_role.instance.name
  policy_arn = aws_iam_policy.instance.arn
}

resource "aws_iam_role_policy" "parameters" {
  name_prefix = "${local.name}-parameters-"
  role        = aws_iam_role.instance.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid = "OnlyTheseParameters", Effect = "Deny", Action = ["ssm:GetParameter*"],
      NotResource = ["arn:${local.partition}:ssm:${local.region}:*:parameter/aws/service/*"]
    }]
  })
}

resource "aws_iam_instance_profile" "instance" {
  name_prefix = "${local.name}-instance-"
  role        = aws_iam_role.instance.name
  tags        = { Name = "${local.name}-instance" }
}

# The log bucket

resource "aws_s3_bucket" "logs" {
  bucket_prefix = "${local.name}-logs-"
  force_destroy = true
  tags          = { Name = "${local.name}-logs" }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket_versioning.logs.bucket
  rule {
    id     = "incomplete"
    status = "Enabled"
    filter {
      prefix = ""
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  rule {
    id     = "retention"
    status = "Enabled"
    filter {
      prefix = ""
    }
    expiration {
      days = 365
    }
    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket_public_access_block.logs.bucket
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyOverTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = [aws_s3_bucket.logs.arn, "${aws_s3_bucket.logs.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid         = "OnlyUnderThePrefix"
        Effect      = "Deny"
        Principal   = "*"
        Action      = ["s3:PutObject"]
        NotResource = ["${aws_s3_bucket.logs.arn}/${local.prefix}/*"]
      },
      {
        Sid       = "NoOtherEncryption"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["${aws_s3_bucket.logs.arn}/*"]
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption" = ["AES256", "aws:kms"] }
        }
      },
    ]
  })
}

# The network

resource "aws_vpc" "this" {
  cidr_block           = local.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = "${local.name}-vpc" }
}

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${local.name}-default-closed" }
}

resource "aws_subnet" "private" {
  count             = length(local.zones)
  vpc_id            = aws_vpc.this.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(local.cidr, 8, count.index)
  tags              = { Name = "${local.name}-private-${count.index}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = "${local.name}-private" }
}

resource "aws_route_table_association" "private" {
  count          = length(local.zones)
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private.id
}

# The security group of the instances and the endpoints

resource "aws_security_group" "access" {
  name_prefix = "${local.name}-"
  description = "Private instances and the endpoints they use"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${local.name}-access" }
}

resource "aws_vpc_security_group_ingress_rule" "from_members" {
  security_group_id            = aws_security_group.access.id
  description                  = "Members talk to each other"
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.access.id
  tags                         = { Name = "${local.name}-from-members" }
}

resource "aws_vpc_security_group_ingress_rule" "https_from_vpc" {
  security_group_id = aws_security_group.access.id
  description       = "HTTPS from the VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = local.cidr
  tags              = { Name = "${local.name}-https-from-vpc" }
}

resource "aws_vpc_security_group_egress_rule" "https_to_members" {
  security_group_id            = aws_security_group.access.id
  description                  = "HTTPS to the endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.access.id
  tags                         = { Name = "${local.name}-https-to-members" }
}

resource "aws_vpc_security_group_egress_rule" "https_to_s3" {
  security_group_id = aws_security_group.access.id
  description       = "HTTPS to S3 through its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_prefix_list.s3.id
  tags              = { Name = "${local.name}-https-to-s3" }
}

# The endpoints

resource "aws_vpc_endpoint" "interface" {
  for_each            = toset(["ssm", "ssmmessages", "ec2messages"])
  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  private_dns_enabled = true
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.access.id]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "CallersOfThisAccount"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["${each.key}:*"]
      Resource  = ["*"]
      Condition = local.callers_of_this_account
    }]
  })
  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  route_table_ids   = [aws_route_table.private.id]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(local.read_systems_manager_buckets, { Principal = "*" }),
      {
        Sid       = "ReadAmazonLinuxRepositories"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject"]
        Resource = [
          "arn:${local.partition}:s3:::al2023-repos-${local.region}-de612dc2/*",
          "arn:${local.partition}:s3:::al2023-${local.region}/*",
        ]
      },
      merge(local.write_session_logs, { Principal = "*", Condition = local.callers_of_this_account }),
      merge(local.read_log_bucket_encryption, { Principal = "*", Condition = local.callers_of_this_account }),
      {
        Sid       = "FindLogBucketRegion"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:ListBucket"]
        Resource  = [aws_s3_bucket.logs.arn]
      },
    ]
  })
  tags = { Name = "${local.name}-s3" }
}

# Session preferences

resource "aws_ssm_document" "preferences" {
  name            = "SSM-SessionManagerRunShell"
  document_type   = "Session"
  document_format = "JSON"
  content = jsonencode({
    schemaVersion = "1.0"
    description   = "Session preferences, managed by Terraform"
    sessionType   = "Standard_Stream"
    inputs = {
      s3BucketName                = aws_s3_bucket_policy.logs.bucket
      s3KeyPrefix                 = local.prefix
      s3EncryptionEnabled         = true
      cloudWatchLogGroupName      = ""
      cloudWatchEncryptionEnabled = false
      cloudWatchStreamingEnabled  = false
      kmsKeyId                    = ""
      runAsEnabled                = false
      runAsDefaultUser            = ""
      idleSessionTimeout          = "20"
    }
  })
  tags = { Name = "${local.name}-preferences" }
}

# The instances

resource "aws_instance" "this" {
  count                       = var.instances
  ami                         = data.aws_ssm_parameter.image.insecure_value
  instance_type               = "t4g.nano"
  subnet_id                   = aws_subnet.private[0].id
  vpc_security_group_ids      = [aws_security_group.access.id]
  iam_instance_profile        = aws_iam_instance_profile.instance.name
  associate_public_ip_address = false
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    encrypted             = true
    volume_type           = "gp3"
    volume_size           = 8
    delete_on_termination = true
    tags                  = { Name = "${local.name}-${count.index}" }
  }
  tags       = { Name = "${local.name}-${count.index}" }
  depends_on = [aws_vpc_endpoint.interface, aws_vpc_endpoint.s3, aws_ssm_document.preferences, aws_iam_role_policy_attachment.session_logs, aws_iam_role_policy.parameters]

  lifecycle {
    ignore_changes = [ami] # as the program does: a new image does not replace instances
  }
}
