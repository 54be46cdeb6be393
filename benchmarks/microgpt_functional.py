"""train_microgpt.py's model with its sums and loops written as calls of fastgrad.functional: the same graph and the
same bits in less time.

A mixin, so that this file needs nothing of the script: class Model(WithFunctional, MicroGPT).
"""
import fastgrad.functional as F


class WithFunctional:
    """In place of MicroGPT's forward and softmax. keys and values have a list for each head."""

    def forward(self, token, position, keys, values):
        x = F.rms_norm(F.add(self.token_embedding[token], self.position_embedding[position]))
        for layer, (wq, wk, wv, wo, w1, w2) in enumerate(self.layers):
            residual, x = x, F.rms_norm(x)
            self.append(F.linear(x, wk), keys[layer])
            self.append(F.linear(x, wv), values[layer])
            mixed = []
            for q, k, v in zip(self.split(F.linear(x, wq)), keys[layer], values[layer]):
                mixed += F.scaled_dot_product_attention(q, k, v)
            x = F.add(F.linear(mixed, wo), residual)
            x = F.add(F.linear(F.relu(F.linear(F.rms_norm(x), w1)), w2), x)
        return F.linear(x, self.head)

    def split(self, x):
        """Each head's part of a vector."""
        width = self.head_width
        return [x[start:start + width] for start in range(0, len(x), width)]

    def append(self, x, heads):
        """Append each head's part of a vector to the head's list. heads: these lists, or at first nothing."""
        if not heads:
            heads += [[] for _ in range(self.heads)]
        for head, part in zip(heads, self.split(x)):
            head.append(part)

    def softmax(self, logits):
        return F.softmax(logits)
