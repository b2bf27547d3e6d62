"""Peer: one decode step of the SmolLM2-135M shape. --mode transformers: LlamaForCausalLM with DynamicCache (eager, SDPA).
--mode packed: a plain loop whose weights oneDNN has reordered once (mkldnn linear), static cache: the toughest PyTorch peer."""
import argparse, json, logging, math, statistics, time, warnings
import torch
import torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument("--mode", choices=["transformers", "packed"], default="transformers")
ap.add_argument("--batch", type=int, default=4)
ap.add_argument("--prompt", type=int, default=150)
ap.add_argument("--new", type=int, default=16)
ap.add_argument("--threads", type=int, default=2)
a = ap.parse_args()
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(a.threads)
torch.manual_seed(0)
D, INNER, H, KV, L, V, HD = 576, 1536, 9, 3, 30, 49152, 64


def transformers_times():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(hidden_size=D, intermediate_size=INNER, num_attention_heads=H, num_key_value_heads=KV,
                         num_hidden_layers=L, vocab_size=V, tie_word_embeddings=True)
    model = LlamaForCausalLM._from_config(config, attn_implementation="sdpa").float().eval()
    ids = torch.randint(0, V, (a.batch, a.prompt))
    out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
    times, cache, token = [], out.past_key_values, out.logits[:, -1].argmax(-1)
    for _ in range(a.new):
        start = time.perf_counter()
        out = model(input_ids=token[:, None], past_key_values=cache, use_cache=True)
        cache, token = out.past_key_values, out.logits[:, -1].argmax(-1)
        times.append(time.perf_counter() - start)
    return times


def packed_times():
    def pack(rows, columns):
        weight = torch.randn(rows, columns) * 0.02
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, a.batch)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")

    narrow = HD * KV
    layers = [[pack(D, D), pack(narrow, D), pack(narrow, D), pack(D, D), pack(INNER, D), pack(INNER, D), pack(D, INNER)] for _ in range(L)]
    embedding, head = torch.randn(V, D) * 0.02, pack(V, D)
    size = a.prompt + a.new
    keys, values = torch.randn(L, a.batch, KV, size, HD), torch.randn(L, a.batch, KV, size, HD)
    one = torch.ones(D)
    frequency = 10000 ** (-torch.arange(HD // 2) / (HD // 2))
    norm = lambda x: F.rms_norm(x, (D,), one, 1e-5)

    def rotate(x, cos, sin):
        p, q = x.chunk(2, -1)
        return torch.cat([p * cos - q * sin, q * cos + p * sin], -1)

    times, token = [], torch.zeros(a.batch, dtype=torch.long)
    for t in range(a.prompt, size):
        start = time.perf_counter()
        cos, sin = torch.cos(t * frequency), torch.sin(t * frequency)
        x = embedding[token]
        for i, (q, k, v, o, gate, up, down) in enumerate(layers):
            h = norm(x)
            query = rotate(q(h).view(a.batch, H, 1, HD), cos, sin)
            keys[i, :, :, t] = rotate(k(h).view(a.batch, KV, 1, HD), cos, sin)[:, :, 0]
            values[i, :, :, t] = v(h).view(a.batch, KV, HD)
            mixed = F.scaled_dot_product_attention(query, keys[i, :, :, : t + 1], values[i, :, :, : t + 1], enable_gqa=True)
            x = x + o(mixed.reshape(a.batch, D))
            h = norm(x)
            x = x + down(F.silu(gate(h)) * up(h))
        token = head(norm(x)).argmax(-1)
        times.append(time.perf_counter() - start)
    return times


with torch.inference_mode():
    times = transformers_times() if a.mode == "transformers" else packed_times()
print("MEDIAN", json.dumps({"step_ms": statistics.median(times[2:]) * 1e3}))
