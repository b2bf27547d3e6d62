"""Peer of eval-coco.ts: COCOeval (bbox) of faster-coco-eval or pycocotools on a synthetic set with a fixed seed.
  python eval-coco.py --generate DIR                     writes DIR/gt.json and DIR/dt.json
  python eval-coco.py --dir DIR [--impl faster|pycocotools] [--reps 3]
5000 images, about 36,000 annotations, 80 categories (ids with COCO's gaps), 100 detections an image."""
import argparse, contextlib, hashlib, io, json, os, resource, time
import numpy as np

ap = argparse.ArgumentParser()
ap.add_argument("--dir", default="coco_synth"); ap.add_argument("--generate"); ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--images", type=int, default=5000); ap.add_argument("--anns", type=int, default=36000); ap.add_argument("--dets", type=int, default=100)
ap.add_argument("--impl", default="faster"); ap.add_argument("--reps", type=int, default=3)
a = ap.parse_args()
CATS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]


def generate(d):
    os.makedirs(d, exist_ok=True)
    r = np.random.default_rng(a.seed); N = a.images
    W, H = r.choice([640, 480, 500, 427], N), r.choice([480, 640, 375, 640], N)
    freq = 1.0 / np.arange(1, 81) ** 0.7; freq /= freq.sum()
    cnt = r.multinomial(a.anns, np.random.default_rng(a.seed + 1).dirichlet(np.full(N, 1.2)))
    rd = lambda x: round(float(x), 2)

    def boxes(n, w, h):
        s = np.exp(r.uniform(np.log(8), np.log(300), n)); q = np.exp(r.normal(0, .4, n))
        bw, bh = np.minimum(s * q, w * .95), np.minimum(s / q, h * .95)
        return np.stack([r.uniform(0, 1, n) * (w - bw), r.uniform(0, 1, n) * (h - bh), bw, bh], 1)
    anns, dts = [], []
    for i in range(N):
        w, h, n = int(W[i]), int(H[i]), int(cnt[i])
        gb, gc = boxes(n, w, h), r.choice(80, n, p=freq)
        for b, c in zip(gb, gc):
            anns.append(dict(id=len(anns) + 1, image_id=i + 1, category_id=CATS[c], bbox=[rd(v) for v in b], area=rd(b[2] * b[3]), iscrowd=int(r.random() < .01)))
        rep = r.integers(1, 4, n)  # 1-3 noisy copies of each object, the rest are false positives
        src = np.repeat(np.arange(n), rep)[: a.dets]
        k = len(src); f = a.dets - k
        jit = gb[src] + r.normal(0, .12, (k, 4)) * np.concatenate([gb[src][:, 2:], gb[src][:, 2:]], 1)
        jit[:, 2:] = np.maximum(jit[:, 2:], 1)
        cls = np.where(r.random(k) < .9, gc[src], r.choice(80, k, p=freq)) if k else np.zeros(0, int)
        fb, fc = boxes(f, w, h), r.choice(80, f, p=freq)
        sc = np.concatenate([r.beta(3, 2, k), r.beta(1, 6, f)])
        for b, c, s in zip(np.concatenate([jit, fb]), np.concatenate([cls, fc]).astype(int), sc):
            dts.append(dict(image_id=i + 1, category_id=CATS[c], bbox=[rd(v) for v in b], score=round(float(s), 5)))
    gt = dict(info={}, images=[dict(id=i + 1, width=int(W[i]), height=int(H[i]), file_name=f"{i + 1}.jpg") for i in range(N)],
              categories=[dict(id=c, name=f"c{c}") for c in CATS], annotations=anns)
    for n, o in (("gt", gt), ("dt", dts)):
        s = json.dumps(o, separators=(",", ":"))
        open(f"{d}/{n}.json", "w").write(s); print(f"{n}.json {len(s) / 1e6:.1f} MB sha256 {hashlib.sha256(s.encode()).hexdigest()[:16]}")
    print(json.dumps(dict(annotations=len(anns), detections=len(dts))))


if a.generate: generate(a.generate); raise SystemExit
if not os.path.exists(f"{a.dir}/dt.json"): generate(a.dir)


def run(name):
    if name == "pycocotools":
        from pycocotools.coco import COCO; from pycocotools.cocoeval import COCOeval as E
    else:
        from faster_coco_eval import COCO, COCOeval_faster as E
    rows = []
    for _ in range(a.reps):
        with contextlib.redirect_stdout(io.StringIO()):
            t = [time.perf_counter()]; tick = lambda: t.append(time.perf_counter())
            g = COCO(f"{a.dir}/gt.json"); tick()
            d = g.loadRes(f"{a.dir}/dt.json"); tick()
            e = E(g, d, "bbox") if name == "pycocotools" else E(g, d, iouType="bbox"); e.evaluate(); tick()
            e.accumulate(); tick(); e.summarize(); tick()
        rows.append(np.diff(t))
    m = np.median(np.array(rows), 0) * 1e3
    print(f"{name}: load+index {m[0]:.0f} ms, loadRes {m[1]:.0f}, evaluate {m[2]:.0f}, accumulate {m[3]:.0f}, summarize {m[4]:.0f}, total {m.sum():.0f} ms, "
          f"peak RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, runs {[round(float(r.sum()), 2) for r in rows]} s")
    print("MEDIAN", json.dumps(dict(total_s=m.sum() / 1e3, rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                                    **{f"stat{i}": float(x) for i, x in enumerate(e.stats[:12])})), flush=True)


run(a.impl)
