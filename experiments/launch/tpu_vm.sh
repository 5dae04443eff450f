#!/usr/bin/env bash
# Sets a TPU VM slice up and runs a launcher on all its hosts at once.
#
#   experiments/launch/tpu_vm.sh NAME ZONE part5_language_model \
#     --attention=splash --dataset=tokens:/mnt/data --workdir=/mnt/runs/gpt2
#
# Needs gcloud, a slice that is there, and a repository that its hosts may clone: the
# remote `origin` and the commit that is checked out here. The workdir has to be on
# storage that all hosts share. Run it again after an interruption: the run goes on.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "error: usage: $0 NAME ZONE LAUNCHER [--flags]" >&2
  exit 1
fi
name=$1 zone=$2 launcher=$3
shift 3
origin=$(git remote get-url origin)
commit=$(git rev-parse HEAD)
flags=$(printf ' %q' "$@")

on_all_hosts() {
  gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"
}

on_all_hosts "
  set -e
  [ -d nnguide ] || git clone -q $(printf %q "$origin") nnguide
  cd nnguide && git fetch -q && git checkout -q $commit
  [ -d .venv ] || python3 -m venv .venv
  .venv/bin/pip install -q -e '.[guide,tpu]'"
on_all_hosts "
  cd nnguide && .venv/bin/python -m experiments.$launcher --distributed$flags"
