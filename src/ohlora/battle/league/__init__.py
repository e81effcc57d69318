"""Many matches by fair rules: everyone on the same unused subsets, reported with intervals over subsets."""
