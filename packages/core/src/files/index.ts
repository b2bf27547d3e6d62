export { scanJsonFile, scanJsonRecords, placeOf, type ArrayReader, type JsonElement } from "./json-file.ts";
export {
  fieldsOf,
  fourNumbersAt,
  locateFields,
  numberAt,
  skipValue,
  stringAt,
  type Fields,
} from "./json-values.ts";
export {
  decodeUtf8,
  invalidData,
  lfsPointer,
  openFile,
  parseJson,
  readRange,
  readWhole,
  resolveInside,
  unreadable,
  type DataProblem,
  type Mention,
} from "./read.ts";
