"""What `sojourn bench speed` times: pytest-benchmark files, one a subject. Each row holds what sojourn does against something else."""
