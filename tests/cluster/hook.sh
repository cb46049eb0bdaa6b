# Runs before each training on the test cluster. Records where the job runs. At the run's first attempt it causes the
# fault that $HOOK_FOLDER/<run> names, if that file exists. Every sleep waits for the end of the job that the fault causes.
run=$1
node=${SLURMD_NODENAME:-${SLURM_JOB_NODELIST:-none}}
echo "$run $SLURM_JOB_ID $node ${CUDA_VISIBLE_DEVICES:-none}" >> "$HOOK_FOLDER/started"
fault=$(cat "$HOOK_FOLDER/$run" 2>/dev/null)
rm -f "$HOOK_FOLDER/$run"
# With a file named "second": kill the second training of the first submission that gets that far.
if [ "$(grep -c " $SLURM_JOB_ID " "$HOOK_FOLDER/started")" = 2 ]; then
    mv "$HOOK_FOLDER/second" "$HOOK_FOLDER/lost" 2>/dev/null && fault=killed
fi
case $fault in
    killed) kill -KILL $PPID ;;
    memory) python -c 'import time; held = b"x" * 3 * 2**30; time.sleep(60)' ;;
    time) scontrol update "JobId=$SLURM_JOB_ID" TimeLimit=1; sleep 300 ;;
    cancelled) scancel "$SLURM_JOB_ID"; sleep 60 ;;
    node) scontrol update "NodeName=$node" State=DOWN Reason=test; sleep 60 ;;
    held) sleep 3600 ;;  # until somebody cancels it
esac
