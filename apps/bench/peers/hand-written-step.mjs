// Peer: the 4-layer training step (forward, backward by hand, Adam) written directly as one ONNX graph.
import { createRequire } from "node:module";
const engine = createRequire(new URL("../../../packages/engine/package.json", import.meta.url));
const ort = engine("onnxruntime-node");
// Random numbers of a fixed seed (mulberry32).
let seed = 1;
const random = () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const vi = (n) => {
  const o = [];
  n = BigInt(n);
  if (n < 0n) n += 1n << 64n;
  while (n > 127n) {
    o.push(Number(n & 127n) | 128);
    n >>= 7n;
  }
  o.push(Number(n));
  return o;
};
const B_ = (a) => Buffer.from(a);
const fld = (i, b) => Buffer.concat([B_(vi((i << 3) | 2)), B_(vi(b.length)), b]);
const fi = (i, n) => Buffer.concat([B_(vi(i << 3)), B_(vi(n))]);
const str = (s) => Buffer.from(s);
const cat = (a) => Buffer.concat(a);
const nodes = [],
  inits = [],
  ins = [],
  outs = [];
let uid = 0;
const attr = (k, v) =>
  Array.isArray(v)
    ? cat([fld(1, str(k)), ...v.map((x) => fi(8, x)), fi(20, 7)])
    : typeof v === "object" && v.f !== undefined
      ? cat([
          fld(1, str(k)),
          (() => {
            const b = Buffer.alloc(5);
            b[0] = (2 << 3) | 5;
            b.writeFloatLE(v.f, 1);
            return b;
          })(),
          fi(20, 1),
        ])
      : typeof v === "string"
        ? cat([fld(1, str(k)), fld(4, str(v)), fi(20, 3)])
        : cat([fld(1, str(k)), fi(3, v), fi(20, 2)]);
const op = (t, inp, at = {}, n = 1) => {
  const o = Array.from({ length: n }, () => "t" + uid++);
  nodes.push(
    cat([
      ...inp.map((x) => fld(1, str(x))),
      ...o.map((x) => fld(2, str(x))),
      fld(4, str(t)),
      ...Object.entries(at).map(([k, v]) => fld(5, attr(k, v))),
    ]),
  );
  return n === 1 ? o[0] : o;
};
const cst = (arr, dims, ty = "f") => {
  const n = "c" + uid++;
  const raw =
    ty === "f"
      ? Buffer.from(Float32Array.from(arr).buffer)
      : Buffer.from(BigInt64Array.from(arr.map(BigInt)).buffer);
  inits.push(cat([...dims.map((d) => fi(1, d)), fi(2, ty === "f" ? 1 : 7), fld(8, str(n)), fld(9, raw)]));
  return n;
};
const vinfo = (n, dims, e = 1) =>
  cat([fld(1, str(n)), fld(2, fld(1, cat([fi(1, e), fld(2, cat(dims.map((d) => fld(1, fi(1, d)))))])))]);
const S = (x) => cst([x], []);
const I = (a) => cst(a, [a.length], "i");
const D = 128,
  T = 96,
  V = 300,
  Bt = 16,
  L = 4,
  H = 4,
  HD = D / H,
  F = 4 * D,
  N = Bt * T;
const feeds = {};
const P = [];
const rnd = (n, s) =>
  Float32Array.from(
    { length: n },
    () => s * Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(6.2831853 * random()),
  );
const par = (dims, one) => {
  const n = "p" + P.length,
    sz = dims.reduce((a, b) => a * b, 1);
  ins.push(vinfo(n, dims), vinfo("m_" + n, dims), vinfo("v_" + n, dims));
  P.push({ n, dims });
  feeds[n] = new ort.Tensor("float32", one ? new Float32Array(sz).fill(1) : rnd(sz, 0.05), dims);
  feeds["m_" + n] = new ort.Tensor("float32", new Float32Array(sz), dims);
  feeds["v_" + n] = new ort.Tensor("float32", new Float32Array(sz), dims);
  return n;
};
const G = {};
const acc = (p, g) => {
  G[p] = G[p] ? op("Add", [G[p], g]) : g;
};
const mul = (a, b) => op("Mul", [a, b]),
  add = (a, b) => op("Add", [a, b]),
  sub = (a, b) => op("Sub", [a, b]),
  mm = (a, b) => op("MatMul", [a, b]),
  tr = (a, perm) => op("Transpose", [a], { perm }),
  rs = (a, s) => op("Reshape", [a, I(s)]),
  rsum = (a, ax, k = 1) => op("ReduceSum", [a, I(ax)], { keepdims: k }),
  rmean = (a, ax) => op("ReduceMean", [a, I(ax)], { keepdims: 1 });
ins.push(vinfo("ids", [N], 7), vinfo("tg", [N], 7), vinfo("lr", [], 1));
const bw = [];
const lin = (x, w) => {
  const y = mm(x, w);
  return [
    y,
    (dy) => {
      acc(w, mm(tr(x, [1, 0]), dy));
      return mm(dy, tr(w, [1, 0]));
    },
  ];
};
const norm = (x, w) => {
  const r = op("Reciprocal", [op("Sqrt", [add(rmean(mul(x, x), [-1]), S(1e-6))])]);
  const xh = mul(x, r);
  return [
    mul(xh, w),
    (dy) => {
      acc(w, rsum(mul(dy, xh), [0], 0));
      const dh = mul(dy, w);
      return mul(sub(dh, mul(xh, rmean(mul(dh, xh), [-1]))), r);
    },
  ];
};
const split = (x) => tr(rs(x, [Bt, T, H, HD]), [0, 2, 1, 3]),
  merge = (x) => rs(tr(x, [0, 2, 1, 3]), [N, D]);
const mk = [];
for (let i = 0; i < T; i++) for (let j = 0; j < T; j++) mk.push(j > i ? -1e9 : 0);
const mask = cst(mk, [T, T]);
const sc = S(1 / Math.sqrt(HD));
const attn = (q, k, v) => {
  const p = op("Softmax", [add(mul(mm(q, tr(k, [0, 1, 3, 2])), sc), mask)], { axis: -1 });
  return [
    mm(p, v),
    (dy) => {
      const dp = mm(dy, tr(v, [0, 1, 3, 2]));
      const t = mul(dp, p);
      const ds = mul(sub(t, mul(rsum(t, [-1]), p)), sc);
      return [mm(ds, k), mm(tr(ds, [0, 1, 3, 2]), q), mm(tr(p, [0, 1, 3, 2]), dy)];
    },
  ];
};
const emb = par([V, D]),
  pos = par([T, D]);
let x = rs(add(rs(op("Gather", [emb, "ids"], { axis: 0 }), [Bt, T, D]), pos), [N, D]);
for (let l = 0; l < L; l++) {
  const n1 = par([D], 1),
    n2 = par([D], 1),
    wq = par([D, D]),
    wk = par([D, D]),
    wv = par([D, D]),
    wo = par([D, D]),
    wg = par([D, F]),
    wu = par([D, F]),
    wd = par([F, D]);
  const [h, bn1] = norm(x, n1);
  const [q, bq] = lin(h, wq),
    [k, bk] = lin(h, wk),
    [v, bv] = lin(h, wv);
  const [o, ba] = attn(split(q), split(k), split(v));
  const [y, bo] = lin(merge(o), wo);
  const x1 = add(x, y);
  const [h2, bn2] = norm(x1, n2);
  const [g, bg] = lin(h2, wg),
    [u, bu] = lin(h2, wu);
  const s = op("Sigmoid", [g]),
    gs = mul(g, s);
  const [d, bd] = lin(mul(gs, u), wd);
  x = add(x1, d);
  bw.push((dx) => {
    const da = bd(dx);
    const du = mul(da, gs);
    const dg = mul(mul(da, u), add(s, mul(gs, sub(S(1), s))));
    const dx1 = add(dx, bn2(add(bg(dg), bu(du))));
    const doo = split(bo(dx1));
    const [dq, dk, dv] = ba(doo);
    return add(dx1, bn1(add(add(bq(merge(dq)), bk(merge(dk))), bv(merge(dv)))));
  });
}
const nf = par([D], 1),
  head = par([D, V]);
const [hf, bnf] = norm(x, nf);
const [lg, bh] = lin(hf, head);
const ls = op("LogSoftmax", [lg], { axis: -1 });
const oh = op("OneHot", ["tg", cst([V], [1], "i"), cst([0, 1], [2])], { axis: -1 });
const loss = op("Neg", [op("ReduceMean", [rsum(mul(ls, oh), [-1], 0)], { keepdims: 0 })]);
let dx = bnf(bh(mul(sub(op("Exp", [ls]), oh), S(1 / N))));
for (let l = L - 1; l >= 0; l--) dx = bw[l](dx);
acc(pos, rsum(rs(dx, [Bt, T, D]), [0], 0));
acc(
  emb,
  op("ScatterND", [cst(new Array(V * D).fill(0), [V, D]), rs("ids", [N, 1]), dx], { reduction: "add" }),
);
outs.push(vinfo(loss, []));
const upd = [];
for (const { n, dims } of P) {
  const g = G[n];
  const m = add(mul("m_" + n, S(0.9)), mul(g, S(0.1))),
    v = add(mul("v_" + n, S(0.999)), mul(mul(g, g), S(0.001)));
  const p = sub(n, mul("lr", op("Div", [m, add(op("Sqrt", [v]), S(1e-8))])));
  outs.push(vinfo(p, dims), vinfo(m, dims), vinfo(v, dims));
  upd.push([n, p], ["m_" + n, m], ["v_" + n, v]);
}
const model = cat([
  fi(1, 9),
  fld(
    7,
    cat([
      ...nodes.map((n) => fld(1, n)),
      fld(2, str("g")),
      ...inits.map((i) => fld(5, i)),
      ...ins.map((v) => fld(11, v)),
      ...outs.map((v) => fld(12, v)),
    ]),
  ),
  fld(8, fi(2, 18)),
]);
const threads = Number(process.argv[2] ?? 2);
const session = await ort.InferenceSession.create(new Uint8Array(model), {
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  graphOptimizationLevel: "all",
  extra: { session: { intra_op: { allow_spinning: "0" } } },
});
feeds.ids = new ort.Tensor(
  "int64",
  BigInt64Array.from({ length: N }, () => BigInt((random() * V) | 0)),
  [N],
);
feeds.tg = new ort.Tensor(
  "int64",
  BigInt64Array.from({ length: N }, () => BigInt((random() * V) | 0)),
  [N],
);
feeds.lr = new ort.Tensor("float32", Float32Array.of(1e-3), []);
const times = [];
for (let i = 0; i < 30; i++) {
  const t = performance.now();
  const r = await session.run(feeds);
  for (const [k, o] of upd) feeds[k] = r[o];
  if (i >= 5) times.push(performance.now() - t);
}
times.sort((x, y) => x - y);
process.stdout.write(JSON.stringify({ step_ms: times[times.length >> 1] }) + "\n");
