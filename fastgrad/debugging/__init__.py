"""What finds a graph's mistakes: detect_anomaly and explain, and the words that both use for a node."""
