/** Plans for the safety tests: only what the verdict looks at, the rest as a plain job has it. */
import type { ResolvedJob } from "../../workloads/job/model.ts";
import type { PlannedFile, RunPlan } from "../../workloads/plan-model.ts";

export interface PlanRequest {
  readonly path: string;
  readonly rw?: ResolvedJob["rw"];
  readonly rwmixread?: number;
  readonly unlink?: boolean;
  readonly fileBytes?: number;
  readonly kind?: PlannedFile["kind"];
}

export function planOf(...requests: readonly PlanRequest[]): RunPlan {
  const jobs = requests.map((request, index) => {
    const rw = request.rw ?? "randwrite";
    // The verdict reads these fields of the job alone; the parser makes all others.
    const resolved = {
      name: `job${index}`,
      rw,
      rwmixread: request.rwmixread ?? 50,
      unlink: request.unlink ?? false,
      objects: null,
    } as ResolvedJob;
    const fileBytes = request.fileBytes ?? 4096;
    const { path, kind = "file" } = request;
    return {
      resolved,
      jobnum: 0,
      index,
      groupId: 0,
      files: [
        { path, kind, offsetBytes: 0, sizeBytes: fileBytes, fileBytes, created: kind === "file" },
      ],
      writes: rw !== "read" && rw !== "randread" && !(request.rwmixread === 100),
      iodepth: 1,
      ioBytes: null,
      seed: 1,
    };
  });
  return {
    phases: [{ jobs }],
    path: "native",
    chains: [],
    stores: [],
    notes: [],
    expectedSeconds: null,
    expectedWriteBytes: null,
  };
}
