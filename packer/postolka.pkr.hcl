# From this checkout to a proven disk image:
#   packer build packer/
#
# One build with one null source, since build blocks start at the same instant and don't wait for
# each other: make the image, boot it and send real mail through it, and only then hand it over.
# Packer 1.6.6 (Debian 12) and later; every component used here is in Packer itself, so that no
# plugin has to be fetched.

packer {
  required_version = ">= 1.6.6"
}

source "null" "image" {
  communicator = "none"
}

build {
  sources = ["source.null.image"]

  provisioner "shell-local" {
    environment_vars = [
      "POSTOLKA=${var.postolka}",
      "BUILD_OPTIONS=${var.build_options}",
      "OUTPUT=${var.output_directory}",
      "MEMORY=${var.memory_mib}",
      "SIGNING_KEY=${var.signing_key}",
    ]
    script = "${path.root}/image.sh"
  }

  post-processors {
    post-processor "artifice" {
      files = [
        "${var.output_directory}/disk.raw",
        "${var.output_directory}/SHA256SUMS",
        "${var.output_directory}/image.json",
        "${var.output_directory}/inputs.json",
        "${var.output_directory}/provenance.json",
        "${var.output_directory}/sbom.cdx.json",
        "${var.output_directory}/sbom.spdx.json",
      ]
    }
    post-processor "manifest" {
      output     = "${var.output_directory}/manifest.json"
      strip_path = true
    }
  }
}
