import { convertBox, pixels, type Box, type Frame, type ImageSize } from "@vlmr1/core";
import { roundHalfEven } from "../round-half-even.ts";
import { referent, type Expression } from "./expression.ts";
import { centerX, centerY, type Scene, type SceneObject } from "./scene.ts";

/**
 * A good completion for a referring expression: a line of thought that names each step's object and its place, then
 * the box.
 */
export function referringAnswer(expression: Expression, scene: Scene, frame: Frame): string {
  const thought = steps(expression, scene)
    .map((object) => whereabouts(object, scene))
    .join(", ");
  const box = boxText((referent(expression, scene) as SceneObject).box, scene, frame);
  return `<think> ${thought} </think> <answer> {"bbox_2d": ${box}} </answer>`;
}

/** A good completion for a question with a short answer: what was found, then the answer. */
export function shortAnswer(objects: readonly SceneObject[], answer: string | number, scene: Scene): string {
  const thought = objects.map((object) => whereabouts(object, scene)).join(", ") || "none";
  return `<think> ${thought} </think> <answer> ${answer} </answer>`;
}

/** A good completion for a detection prompt, in the form that VLM-R1 publishes: fenced JSON, or None. */
export function detectionAnswer(
  objects: readonly { readonly object: SceneObject; readonly label: string }[],
  scene: Scene,
  frame: Frame,
): string {
  const thought = objects.map(({ object }) => whereabouts(object, scene)).join(", ") || "none";
  const items = objects.map(
    ({ object, label }) =>
      `{"bbox_2d": ${boxText(object.box, scene, frame)}, "label": ${JSON.stringify(label)}}`,
  );
  const list = items.length === 0 ? "None" : `\`\`\`json\n[${items.join(", ")}]\n\`\`\``;
  return `<think> ${thought} </think> <answer> ${list} </answer>`;
}

/** "red key lower center": colour, name, and which ninth of the picture it is in. */
function whereabouts(object: SceneObject, scene: Scene): string {
  const row = ["upper", "middle", "lower"][Math.min(2, Math.floor((centerY(object) / scene.height) * 3))];
  const column = ["left", "center", "right"][Math.min(2, Math.floor((centerX(object) / scene.width) * 3))];
  return `${object.color} ${object.name} ${row} ${column}`;
}

/** The objects that an expression leads through, from the innermost anchor to the target. */
function steps(expression: Expression, scene: Scene): SceneObject[] {
  const earlier = "anchor" in expression ? steps(expression.anchor, scene) : [];
  return [...earlier, referent(expression, scene) as SceneObject];
}

/** A box as answers write it, "[x1, y1, x2, y2]" in the given frame: unit coordinates with three decimals, all others as integers. */
export function boxText(box: Box, scene: ImageSize, frame: Frame): string {
  const converted = convertBox(box, pixels(scene), frame);
  const numbers = converted.map((value) => (frame.kind === "unit" ? value.toFixed(3) : roundHalfEven(value)));
  return `[${numbers.join(", ")}]`;
}
