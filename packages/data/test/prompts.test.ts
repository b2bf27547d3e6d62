import { expect, test } from "vitest";
import {
  detectionQuestion,
  detectionQuestionInTags,
  jsonAnswerTemplate,
  odinwQuestion,
  odLengthTemplate,
  plainTemplate,
  r1vTemplate,
  recBaselineTemplate,
  recQuestion,
  recTemplate,
  thinkTemplate,
  visualRftDetectionQuestion,
} from "../src/index.ts";

// A missing space in a published prompt delayed training from step 65 to step 125 (VLM-R1's authors): every byte counts.

test("the questions are the published ones, byte for byte", () => {
  expect(recQuestion("the lady")).toMatchInlineSnapshot(
    `"Please provide the bounding box coordinate of the region this sentence describes: the lady."`,
  );
  expect(detectionQuestion(["red cup", "dog"])).toMatchInlineSnapshot(`
    "Please carefully observe the image and detect the following targets: red cup; dog. Output each detected targets' bbox coordinates in JSON format. The format of the bbox coordinates is: \`\`\`json
    [{"bbox_2d": [x1, y1, x2, y2], "label": "target name"}, {"bbox_2d": [x1, y1, x2, y2], "label": "target name"}]
    \`\`\`. If there are no such targets in the image, simply respond with None."
  `);
  expect(detectionQuestionInTags(["red cup", "dog's bowl", 'a "b"'])).toMatchInlineSnapshot(`
    "Please carefully check the image and detect the following objects: ['red cup', "dog's bowl", 'a "b"']. Output the bbox coordinates of detected objects in <answer></answer>. The bbox coordinates in Markdown format should be: 
    \`\`\`json
    [{"bbox_2d": [x1, y1, x2, y2], "label": "object name"}]
    \`\`\`
     If no targets are detected in the image, simply respond with "None"."
  `);
  expect(visualRftDetectionQuestion("dog")).toMatchInlineSnapshot(`
    "Detect all objects belonging to the category 'dog' in the image, and provide the bounding boxes (between 0 and 1000, integer) and confidence (between 0 and 1, with two decimal places).
    If no object belonging to the category 'dog' in the image, return 'No Objects'.
    Output the thinking process in <think> </think> and final answer in <answer> </answer> tags.The output answer format should be as follows:
    <think> ... </think> <answer>[{'Position': [x1, y1, x2, y2], 'Confidence': number}, ...]</answer>
    Please strictly follow the format."
  `);
  expect(odinwQuestion(["cat", "dog"])).toMatchInlineSnapshot(
    `"Locate every instance that belongs to the following categories: 'cat, dog'. Report bbox coordinates in JSON format."`,
  );
});

test("the templates are the published ones, byte for byte", () => {
  const templates = {
    recTemplate,
    thinkTemplate,
    jsonAnswerTemplate,
    odLengthTemplate,
    recBaselineTemplate,
    r1vTemplate,
    plainTemplate,
  };
  const filled = Object.entries(templates).map(([name, template]) => [name, template("{Question}")]);
  expect(Object.fromEntries(filled)).toMatchInlineSnapshot(`
    {
      "jsonAnswerTemplate": "{Question} First thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think><answer> json format answer here </answer>",
      "odLengthTemplate": "First thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think><answer> answer here </answer>
    {Question}",
      "plainTemplate": "{Question}",
      "r1vTemplate": "{Question}  Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.",
      "recBaselineTemplate": "{Question} Please provide the bounding box coordinate in JSON format.",
      "recTemplate": "{Question} First output the thinking process in <think> </think> tags and then output the final answer in <answer> </answer> tags. Output the final answer in JSON format.",
      "thinkTemplate": "{Question} First output the thinking process in <think> </think> tags and then output the final answer in <answer> </answer> tags.",
    }
  `);
});
