"""The network as a graph of engines that are not PyTorch; importing it loads neither PyTorch nor an engine."""
