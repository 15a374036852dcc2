#!/bin/bash
# A SLURM array: each task makes its part of the clips in one directory that all nodes see.
#
#   sbatch --export=ALL,HDTF_OUT=/scratch/clips examples/slurm.sh --size 512 --fps 25
#
# --pace is the least number of seconds between two starts of a download, in each task. The nodes are taken to share
# one address, so each task waits as many times as long as there are tasks: together they start as often as one process
# does. Where each node has an address of its own, give --pace 15.
#SBATCH --job-name=hdtf
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

# As many as the array has tasks. Said here, so that `sbatch --array=3,5` sends just these two again. For an array of
# another length: HDTF_SHARDS=16 sbatch --array=0-15 ...
export HDTF_SHARDS="${HDTF_SHARDS:-8}"
export HDTF_ASYNC_PACE="${HDTF_ASYNC_PACE:-$((15 * HDTF_SHARDS))}"

srun python -m hdtf_async --out "$HDTF_OUT" --no-progress "$@"
code=$?

# 75: something failed in passing. 3: YouTube refuses this address for now. Both may be over later.
if { [ "$code" -eq 75 ] || [ "$code" -eq 3 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ]; then
    scontrol requeuehold "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" &&
        scontrol update "JobId=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" StartTime=now+1hour &&
        scontrol release "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
