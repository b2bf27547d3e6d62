"""Peer of data-loaders.ts: pycocotools' COCO, or what lichengunc/refer does in its constructor, on the same files.
  python data-loaders.py coco|refcoco FOLDER"""
import contextlib, io, json, pickle, resource, sys, time

what, folder = sys.argv[1:3]
if what == "coco":
    from pycocotools.coco import COCO


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def refer(root):
    # refer.py, REFER.__init__ and createIndex, with Python 3's pickle: the same tables in the same order.
    refs = pickle.load(open(f"{root}/refs(unc).p", "rb"), encoding="latin1")
    instances = json.load(open(f"{root}/instances.json"))
    anns, images, categories, image_anns = {}, {}, {}, {}
    for ann in instances["annotations"]:
        anns[ann["id"]] = ann
        image_anns[ann["image_id"]] = image_anns.get(ann["image_id"], []) + [ann]
    for image in instances["images"]:
        images[image["id"]] = image
    for category in instances["categories"]:
        categories[category["id"]] = category["name"]
    by_id, image_refs, category_refs, ref_ann, ann_ref, sentences, sentence_ref, tokens = ({} for _ in range(8))
    for ref in refs:
        by_id[ref["ref_id"]] = ref
        image_refs[ref["image_id"]] = image_refs.get(ref["image_id"], []) + [ref]
        category_refs[ref["category_id"]] = category_refs.get(ref["category_id"], []) + [ref]
        ref_ann[ref["ref_id"]] = anns[ref["ann_id"]]
        ann_ref[ref["ann_id"]] = ref
        for sentence in ref["sentences"]:
            sentences[sentence["sent_id"]] = sentence
            sentence_ref[sentence["sent_id"]] = ref
            tokens[sentence["sent_id"]] = sentence["tokens"]
    return len(sentences)


before, start = peak(), time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    samples = len(COCO(f"{folder}/refcoco/instances.json").imgs) if what == "coco" else refer(f"{folder}/refcoco")
seconds = time.perf_counter() - start
print("MEDIAN", json.dumps(dict(seconds=seconds, peakMegabytes=peak(), grownMegabytes=peak() - before, samples=samples)))
