# Values come from packer/*.auto.pkrvars.json, which Packer reads by itself, or from -var.

variable "postolka" {
  type        = string
  default     = ".venv/bin/postolka"
  description = "The generator's command, relative to the directory that packer runs in."
}

variable "build_options" {
  type        = string
  default     = ""
  description = "More options for `postolka build`, for example --temporary-lock."
}

variable "output_directory" {
  type        = string
  default     = "dist"
  description = "Where disk.raw, its papers, SHA256SUMS and manifest.json are put once the image has passed."
}

variable "memory_mib" {
  type        = number
  default     = 1024
  description = "Memory of the VM in which the image has to prove itself, MiB."
}

variable "signing_key" {
  type        = string
  default     = ""
  description = "File with the private key that SHA256SUMS is signed with; empty: no signature."
}
