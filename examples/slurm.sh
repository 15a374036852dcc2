#!/bin/bash
# A SLURM array: each task creates its part of the clips in one shared directory.
#
#   sbatch --export=ALL,HDTF_OUT=/scratch/clips examples/slurm.sh --size 512 --fps 25
#
# --pace is the minimum number of seconds between two download starts, in each task. By default the nodes are assumed to
# share one public IP address, so the pace is multiplied by the number of tasks: together they start as often as one
# process. If each node has its own address, pass --pace 15.
#SBATCH --job-name=hdtf
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -u

# The number of tasks in the array. Set here, so that `sbatch --array=3,5` resubmits only these two. For an array of
# another length: HDTF_SHARDS=16 sbatch --array=0-15 ...
export HDTF_SHARDS="${HDTF_SHARDS:-8}"
export HDTF_ASYNC_PACE="${HDTF_ASYNC_PACE:-$((15 * HDTF_SHARDS))}"

srun python -m hdtf_async --out "$HDTF_OUT" --no-progress "$@"
code=$?

# 75: temporary failures. 3: YouTube is blocking this IP address. In both cases a later run may succeed.
if { [ "$code" -eq 75 ] || [ "$code" -eq 3 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ]; then
    scontrol requeuehold "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" &&
        scontrol update "JobId=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" StartTime=now+1hour &&
        scontrol release "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
