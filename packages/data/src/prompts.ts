/** Wraps a question into the prompt that the model sees. */
export type PromptTemplate = (question: string) => string;

/**
 * VLM-R1's template for referring expressions (task `rec`): think first, then answer in JSON.
 * @see https://github.com/om-ai-lab/VLM-R1/blob/main/src/open-r1-multimodal/src/open_r1/vlm_modules/qwen_module.py
 */
export function recTemplate(question: string): string {
  return `${question} First output the thinking process in <think> </think> tags and then output the final answer in <answer> </answer> tags. Output the final answer in JSON format.`;
}

/** VLM-R1's default template, for every task without its own and for InternVL and GLM: think first, then answer. */
export function thinkTemplate(question: string): string {
  return `${question} First output the thinking process in <think> </think> tags and then output the final answer in <answer> </answer> tags.`;
}

/** VLM-R1's template for image counting and captions in JSON (task `ic`). */
export function jsonAnswerTemplate(question: string): string {
  return `${question} First thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think><answer> json format answer here </answer>`;
}

/** VLM-R1's template for detection with the `odLength` reward: the instruction stands before the question. */
export function odLengthTemplate(question: string): string {
  return `First thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think><answer> answer here </answer>\n${question}`;
}

/** The template of VLM-R1's baseline evaluation (`test_rec_baseline.py`): no thinking. */
export function recBaselineTemplate(question: string): string {
  return `${question} Please provide the bounding box coordinate in JSON format.`;
}

/** R1-V's template for counting (CLEVR) and geometry (GEOQA). */
export function r1vTemplate(question: string): string {
  return `${question}  Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.`;
}

/** No template: the question is the prompt. */
export function plainTemplate(question: string): string {
  return question;
}

/** The question of VLM-R1's referring-expression files. */
export function recQuestion(expression: string): string {
  return `Please provide the bounding box coordinate of the region this sentence describes: ${expression}.`;
}

/**
 * VLM-R1's later detection question: targets by name, answer in JSON, `None` when there are none. (With the space before "Output", whose
 * absence cost the authors 60 steps.)
 * @see https://om-ai-lab.github.io/2025_03_24.html
 */
export function detectionQuestion(names: readonly string[]): string {
  return (
    `Please carefully observe the image and detect the following targets: ${names.join("; ")}. ` +
    "Output each detected targets' bbox coordinates in JSON format. The format of the bbox coordinates is: " +
    '```json\n[{"bbox_2d": [x1, y1, x2, y2], "label": "target name"}, {"bbox_2d": [x1, y1, x2, y2], "label": "target name"}]\n```. ' +
    "If there are no such targets in the image, simply respond with None."
  );
}

/** VLM-R1's first detection question, with the names as a Python list and the answer in <answer> tags. */
export function detectionQuestionInTags(names: readonly string[]): string {
  return (
    `Please carefully check the image and detect the following objects: ${pythonText(names)}. ` +
    "Output the bbox coordinates of detected objects in <answer></answer>. The bbox coordinates in Markdown format should be: \n" +
    '```json\n[{"bbox_2d": [x1, y1, x2, y2], "label": "object name"}]\n```\n' +
    ' If no targets are detected in the image, simply respond with "None".'
  );
}

/** Visual-RFT's detection question, for one category at a time; its boxes are whole numbers in 0..1000. */
export function visualRftDetectionQuestion(category: string): string {
  return (
    `Detect all objects belonging to the category '${category}' in the image, and provide the bounding boxes (between 0 and 1000, integer) and confidence (between 0 and 1, with two decimal places).\n` +
    `If no object belonging to the category '${category}' in the image, return 'No Objects'.\n` +
    "Output the thinking process in <think> </think> and final answer in <answer> </answer> tags.The output answer format should be as follows:\n" +
    "<think> ... </think> <answer>[{'Position': [x1, y1, x2, y2], 'Confidence': number}, ...]</answer>\nPlease strictly follow the format."
  );
}

/** The detection question of Qwen3-VL's ODinW-13 evaluation. */
export function odinwQuestion(names: readonly string[]): string {
  return `Locate every instance that belongs to the following categories: '${names.join(", ")}'. Report bbox coordinates in JSON format.`;
}

/**
 * What Python's `str(value)` gives for a value read from JSON or a table: `[1, 2.5]`, `True`, `None`, `{'a': 'b'}`,
 * `2024-05-01 12:30:00`. Text stays as it is.
 */
export function pythonText(value: unknown): string {
  return typeof value === "string" ? value : pythonRepr(value);
}

function pythonRepr(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }
  if (typeof value !== "object") return String(value);
  if (value instanceof Date) return pythonDate(value);
  if (value instanceof Uint8Array) return `b'${Array.from(value, byteText).join("")}'`;
  if (ArrayBuffer.isView(value)) return pythonRepr(Array.from(value as Float64Array));
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  return `{${entries.map(([key, member]) => `${pythonRepr(key)}: ${pythonRepr(member)}`).join(", ")}}`;
}

/** A day without a time is a `date`, all else a `datetime`: `2024-05-01`, `2024-05-01 12:30:00`. */
function pythonDate(date: Date): string {
  if (Number.isNaN(date.getTime())) return "NaT";
  const [day, time] = date.toISOString().split("T") as [string, string];
  const clock = time.replace("Z", "").replace(/\.000$/, "");
  return clock === "00:00:00" ? day : `${day} ${clock}`;
}

function byteText(byte: number): string {
  const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c;
  return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** A Python string literal: single quotes, double ones where only those spare an escape. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
    .replaceAll(quote, `\\${quote}`);
  return `${quote}${escaped}${quote}`;
}

/** Python's `round`: the reference processors write 62.5 as 62, and 63.5 as 64. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
