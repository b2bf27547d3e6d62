import { describe, expect, test } from "vitest";
import { ScheduleOptions, scheduleFrom } from "../src/optimizer/schedule.ts";

const at = (options: object, steps: number[], total = 20) => {
  const schedule = scheduleFrom(ScheduleOptions.parse(options), total);
  return steps.map((step) => Number(schedule(step).toFixed(6)));
};

describe("scheduleFrom", () => {
  test.each([
    [{}, [1, 1, 1, 1]],
    [{ warmup: 10 }, [0, 0.5, 1, 1]],
    [{ shape: "linear" }, [1, 0.75, 0.5, 0]],
    [{ shape: "linear", warmup: 10 }, [0, 0.5, 1, 0]],
    [{ shape: "cosine" }, [1, 0.853553, 0.5, 0]],
    [{ shape: "cosine", cycles: 1 }, [1, 0.5, 0, 1]],
    [{ shape: "cosine-restarts", cycles: 2 }, [1, 0.5, 1, 0]],
    [{ shape: "cosine-restarts" }, [1, 0.853553, 0.5, 0]],
    [{ shape: "polynomial", power: 2 }, [1, 0.5625, 0.25, 0]],
    [{ shape: "polynomial", end: 0.5 }, [1, 0.875, 0.75, 0.5]],
    [{ shape: "inverse-sqrt", warmup: 5 }, [0, 1, Number(Math.SQRT1_2.toFixed(6)), 0.5]],
    [{ shape: "plateau" }, [1, 1, 1, 0]],
    [{ shape: "plateau", decay: 20 }, [1, 0.75, 0.5, 0]],
  ])("%j at steps 0, 5, 10, 20 of 20", (options, expected) => {
    expect(at(options, [0, 5, 10, 20])).toEqual(expected);
  });

  test("a shape that does not exist is refused", () => {
    expect(() => ScheduleOptions.parse({ shape: "square" })).toThrow("Invalid option");
  });
});
