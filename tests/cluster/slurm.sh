#!/usr/bin/env bash
# Starts a SLURM of one node on loopback in a private folder, runs what it is given
# with SLURM_CONF set, and stops what it started. Needs Debian's slurm-wlm and munge.
#
#   tests/cluster/slurm.sh FOLDER COMMAND...
#
# The command `cat` keeps it until standard input ends, as it does with who started it.
set -euo pipefail

folder=$(realpath -m "$1")
shift
for program in munged slurmctld slurmd sbatch; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || {
    echo "error: $program is missing: apt-get install slurm-wlm munge" >&2
    exit 1
  }
done
export PATH=$PATH:/usr/sbin
mkdir -p "$folder"/{munge,state,spool}
chmod 700 "$folder/munge"
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
node=$(hostname -s)
cpus=$(nproc)

stop() {
  scancel --full --user="$(id -un)" 2>/dev/null || true
  for _ in $(seq 30); do # a job that outlives its slurmd would go on
    [ -z "$(squeue -h 2>/dev/null)" ] && break
    sleep 1
  done
  for daemon in slurmd slurmctld munged; do
    pid_file=$folder/$daemon.pid
    [ -s "$pid_file" ] || continue
    pid=$(cat "$pid_file")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 20); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.5
    done
  done
}
export SLURM_CONF=$folder/slurm.conf # from here on: no other cluster may be meant
trap stop EXIT

dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
chmod 600 "$folder/munge/key"
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munge/log" \
  --seed-file="$folder/munge/seed"

cat >"$folder/slurm.conf" <<CONF
ClusterName=nnguide
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld -c
slurmd -c
for _ in $(seq 30); do
  sinfo -h -o %T 2>/dev/null | grep -q idle && break
  sleep 1
done
"$@"
