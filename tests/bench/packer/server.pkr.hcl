# A mail server's disk as people make it today: boot a stock Debian 13, install the packages and copy
# the configuration over SSH, shut down. `make bench-peers` measures it.

variable "base" { type = string }
variable "mirror" { type = string }
variable "configuration" { type = string }
variable "key" { type = string }
variable "packages" { type = string }
variable "output_directory" { type = string }
variable "console" { type = string }
variable "firmware" { type = string }
variable "firmware_variables" { type = string }
variable "accelerator" { type = string }
variable "processor" { type = string }

source "qemu" "server" {
  disk_image       = true
  iso_url          = var.base
  iso_checksum     = "none"
  skip_resize_disk = true
  format           = "qcow2"
  output_directory = var.output_directory
  vm_name          = "server.qcow2"

  cpus     = 2
  memory   = 2048
  headless = true
  qemuargs = [
    ["-machine", "q35"],
    ["-accel", var.accelerator],
    ["-cpu", var.processor],
    # It reaches nothing, and is reached by SSH alone.
    ["-netdev", "user,id=user.0,restrict=on,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"],
    ["-drive", "if=pflash,format=raw,readonly=on,file=${var.firmware}"],
    ["-drive", "if=pflash,format=raw,file=${var.firmware_variables}"],
    ["-drive", "if=virtio,format=qcow2,discard=unmap,file={{ .OutputDir }}/{{ .Name }}"],
    ["-drive", "if=virtio,format=raw,readonly=on,file=${var.mirror}"],
    ["-device", "virtio-rng-pci"],
    ["-device", "virtio-net-pci,netdev=user.0"],
    ["-serial", "file:${var.console}"],
  ]
  net_device = "virtio-net-pci"

  boot_wait            = "0s"
  ssh_username         = "debian"
  ssh_private_key_file = var.key
  ssh_timeout          = "20m"
  shutdown_command     = "sudo systemctl poweroff"
  shutdown_timeout     = "20m"
}

build {
  sources = ["source.qemu.server"]

  provisioner "shell" {
    environment_vars = ["PACKAGES=${var.packages}"]
    execute_command  = "sudo env {{ .Vars }} sh '{{ .Path }}'"
    script           = "${path.root}/install.sh"
  }

  provisioner "file" {
    source      = var.configuration
    destination = "/tmp/configuration.tar"
  }

  provisioner "shell" {
    inline = ["sudo tar --extract --file /tmp/configuration.tar --directory /etc"]
  }
}
