// Chinese, by part of the console. The keys are the English texts.
import { access } from "./zh-access";
import { images } from "./zh-images";
import { operation } from "./zh-operation";
import { parts } from "./zh-parts";

export const zh = { ...parts, ...images, ...access, ...operation };
