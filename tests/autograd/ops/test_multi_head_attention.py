"""Multi-head attention as a function of its weights; its use is in tests/nn/modules."""

from __future__ import annotations

from tests.autograd.ops.harness import A, Refusal, Row, case, table

E, H = 4, 2
F64 = {"dtype": "float64"}


def weights(bias=True, further=False, zeros=False, **kind):
    """What stands between the number of heads and the options."""
    k = A(1, 1, E, **kind) if further else None
    v = A(1, 1, E, **kind) if further else None
    return (
        A(3 * E, E, **kind),
        A(3 * E, **kind) if bias else None,
        k,
        v,
        zeros,
        0.0,
        A(E, E, **kind),
        A(E, **kind) if bias else None,
    )


def call(*lead, length=3, keys=5, options=None, **named):
    """Query, key and value ``[length, *lead, E]`` and everything after them."""
    given = A(length, *lead, E), A(keys, *lead, E), A(keys, *lead, E)
    return case(*given, E, H, *weights(**(options or {})), **named)


def ignored(*shape):
    """A bool mask that leaves every query a key: the first."""
    values = (
        [[place % 3 == 1 for place in range(shape[-1])]] * shape[0]
        if len(shape) > 1
        else [place % 3 == 1 for place in range(shape[0])]
    )
    return A(dtype="bool", values=values)


SEPARATE = {
    "use_separate_proj_weight": True,
    "q_proj_weight": A(E, E),
    "k_proj_weight": A(E, 3),
    "v_proj_weight": A(E, 2),
}
UPPER = A(dtype="bool", values=[[False, True, True], [False, False, True], [False] * 3])
ROWS = [
    Row("nn.functional.multi_head_attention_forward", [
        call(2), call(), call(2, need_weights=False), call(2, average_attn_weights=False), call(average_attn_weights=False), call(2, length=1, keys=1),
        call(2, attn_mask=A(3, 5)), call(2, attn_mask=ignored(3, 5)), call(2, attn_mask=A(2 * H, 3, 5), need_weights=False), call(attn_mask=A(H, 3, 5)), call(2, key_padding_mask=ignored(2, 5)), call(key_padding_mask=ignored(5)),
        call(2, key_padding_mask=A(2, 5), attn_mask=A(3, 5), need_weights=False), call(2, keys=3, attn_mask=UPPER, is_causal=True), call(2, keys=3, attn_mask=UPPER, is_causal=True, need_weights=False),
        call(2, keys=3, attn_mask=UPPER, is_causal=True, need_weights=False, key_padding_mask=ignored(2, 3)), call(2, options={"bias": False}), call(2, options={"further": True}), call(2, options={"zeros": True}),
        call(2, options={"further": True, "zeros": True}, attn_mask=A(3, 5), key_padding_mask=ignored(2, 5)), call(2, options={"zeros": True}, key_padding_mask=ignored(2, 5), need_weights=False),
        case(A(3, 2, E), A(5, 2, 3), A(5, 2, 2), E, H, None, *weights()[1:], **SEPARATE), case(A(3, 2, E), A(5, 2, 3), A(5, 2, 2), E, 1, None, *weights(bias=False)[1:], need_weights=False, **SEPARATE),
        call(2, static_k=A(2 * H, 5, 2), static_v=A(2 * H, 5, 2)), call(2, static_v=A(2 * H, 5, 2), need_weights=False), call(2, training=False),
    ], atol=1e-5),
]  # fmt: skip

NAME = "nn.functional.multi_head_attention_forward"
X = A(3, 2, E)


def refuse(*given, error=AssertionError, match="", heads=H, size=E, **named):
    return Refusal(NAME, case(*given, size, heads, *weights(), **named), error, match)


REFUSALS = [
    refuse(A(E), A(E), A(E), match="2D or batched 3D tensor but received 1-D"),
    refuse(X, A(3, E), A(3, E), match="`key` and `value` to be 3-D but found 2-D and 2-D"),
    refuse(X, X, X, key_padding_mask=ignored(3), match="`key_padding_mask` to be `None` or 2-D but found 1-D"),
    refuse(X, X, X, attn_mask=ignored(3), match="2-D or 3-D but found 1-D"),
    refuse(A(3, E), A(3, E), A(3, E), attn_mask=A(1, 3, 3), match=r"\(2, 3, 3\) but got \[1, 3, 3\]"),
    refuse(X, X, X, size=5, match="embedding dimension of 5, but got 4"),
    refuse(X, X, X, heads=3, match="embed_dim 4 not divisible by num_heads 3"),
    refuse(X, X, A(4, 2, E), match=r"\[3, 2\].*\[4, 2\]"),
    refuse(X, X, A(3, 2, 5), match=r"key shape \[3, 2, 4\].*\[3, 2, 5\]"),
    refuse(X, X, X, attn_mask=ignored(3, 4), error=RuntimeError, match=r"\[3, 4\], but should be \(3, 3\)"),
    refuse(X, X, X, attn_mask=A(2, 3, 3), error=RuntimeError, match=r"\[2, 3, 3\], but should be \(4, 3, 3\)"),
    refuse(X, X, X, key_padding_mask=ignored(3, 3), match=r"\(2, 3\), but got \[3, 3\]"),
    refuse(X, X, X, attn_mask=A(3, 3, dtype="int64"), match="attn_mask are supported, got int64"),
    refuse(X, X, X, is_causal=True, error=RuntimeError, match="Need attn_mask"),
    refuse(X, X, X, static_k=A(3, 3, 2), match=r"\[4, S, 2\], got \[3, 3, 2\]"),
    refuse(X, X, X, use_separate_proj_weight=True, match="weight is None"),
    Refusal(NAME, case(X, X, X, E, H, None, *weights()[1:]), AssertionError, "weight is None"),
    Refusal(NAME, case(X, X, X, E, H, *weights()[:2], A(1, 1, E), None, *weights()[4:]), AssertionError, "bias_k and bias_v"),
]  # fmt: skip

test_values, test_gradient, test_refusal = table("multi_head_attention", ROWS, REFUSALS)
