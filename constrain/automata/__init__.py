"""From the IR to what kernels run: regular terminals to leaf programs, rules to a grammar program."""
