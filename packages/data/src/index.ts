export { loadImage, type LoadImageOptions } from "./image/load-image.ts";
