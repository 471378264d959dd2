/** The object stores of a run: made or opened before its first phase, closed after its last. */
import { OsdynoError } from "../../engine/base/error.ts";
import { type PerfCounters, perfSince } from "../../engine/base/perf-counters.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { StageClock } from "../../engine/device/stages.ts";
import { openChecksum } from "../../engine/hot/checksum/registry.ts";
import { Holds } from "../../engine/os/hold.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { clientHints, type HintTeller, hintTeller } from "../../engine/store/client-hints.ts";
import { ObjectDevice } from "../../engine/store/objects/object-device.ts";
import { needsObjects } from "../../engine/store/objects/object-mix.ts";
import { ObjectSet } from "../../engine/store/objects/object-set.ts";
import { makeRealStore, RealStore, type RealStoreRequest } from "../../engine/store/real-store.ts";
import { StoreVolume } from "../../engine/store/volume.ts";
import {
  defaultCollectionBits,
  defaultObjectBytes,
  makeVolume,
  readVolume,
  VolumeLayout,
} from "../../engine/store/volume-layout.ts";
import { slotBytesOf, spareOf } from "../chain.ts";
import type { PlannedJob, PlannedPhase, RunPlan } from "../plan-model.ts";
import { type PlannedStore, plannedVolumeBytes } from "../store-plan.ts";
import type { Execution } from "./execute.ts";
import type { LayoutProgress } from "./layout.ts";
import { effectiveDepth, jobSpec } from "./native-plan.ts";
import { layOutObjects } from "./object-layout.ts";
import { flatOfStores } from "./store-counters.ts";
import { differences } from "./store-differences.ts";
import { layOutVolume, readRanges } from "./store-layout.ts";
import { StoreMemoryWatch } from "./store-memory.ts";
import { roomOf, withFullFileSystems } from "./store-room.ts";
import { removeMade, takeStore } from "./store-take.ts";

/** What the jobs of a run want of one store. */
interface Demand {
  /** Largest operation of any job, bytes. */
  readonly slotBytes: number;
  /** Operations of all jobs of one phase at once, at most. */
  readonly slots: number;
}

function demandOf(plan: RunPlan, store: PlannedStore): Demand {
  const onStore = ({ jobs }: PlannedPhase) =>
    jobs.filter(({ files }) => files.some(({ path }) => path === store.text));
  const phases = plan.phases.map(onStore);
  const depths = phases.map((jobs) => jobs.reduce((sum, job) => sum + effectiveDepth(job), 0));
  const layers = plan.chains.find(({ text }) => text === store.text)?.layers ?? [];
  const largest = Math.max(4096, ...phases.flat().map((job) => jobSpec(job).maxBlock));
  const slotBytes = slotBytesOf(layers, largest);
  const slots = Math.max(1, ...depths);
  return { slotBytes, slots: slots + spareOf(layers, slots, slotBytes) };
}

function originOfSize({ objectBytes, make }: PlannedStore): string {
  return objectBytes !== null ? "target" : make === null ? "the store" : "default";
}

interface OpenStoreParts {
  readonly planned: PlannedStore;
  readonly real: RealStore;
  readonly layout: VolumeLayout;
  /** Of all its files. */
  readonly holds: Holds;
}

/** One open store with the volume on it. */
class OpenStore {
  readonly planned: PlannedStore;
  readonly real: RealStore;
  /** Null: no job is on objects. */
  objects: ObjectSet | null = null;
  readonly memory: StoreMemoryWatch;
  readonly #layout: VolumeLayout;
  readonly #holds: Holds;
  #slotsTaken = 0;
  #open = 0;

  static async open(planned: PlannedStore, demand: Demand): Promise<OpenStore> {
    const holds = new Holds();
    try {
      takeStore(planned, holds);
      return await OpenStore.#openHeld(planned, demand, holds);
    } catch (error) {
      holds.close();
      throw error;
    }
  }

  static async #openHeld(planned: PlannedStore, demand: Demand, holds: Holds): Promise<OpenStore> {
    const { path, make, options } = planned;
    const random = new SeededRandom(Date.now());
    const request: RealStoreRequest = {
      path,
      options,
      random,
      deviceClass: planned.device.deviceClass,
      classReason: planned.device.classReason,
      sizeBytes: make?.sizeBytes ?? 0,
      slotBytes: demand.slotBytes,
      userSlots: demand.slots,
      holds,
      ...(planned.shape === null ? {} : { shape: planned.shape.shape }),
    };
    try {
      if (make !== null) {
        await makeRealStore(request);
      }
      const real = await RealStore.open(request, make !== null);
      try {
        const layout = await OpenStore.#layoutOf(planned, real);
        return new OpenStore({ planned, real, layout, holds });
      } catch (error) {
        await real.close();
        throw error;
      }
    } catch (error) {
      const told = withFullFileSystems(planned, error);
      removeMade(planned);
      throw told;
    }
  }

  static async #layoutOf(
    { path, make, objectBytes: wanted }: PlannedStore,
    real: RealStore,
  ): Promise<VolumeLayout> {
    if (make !== null || real.untouched) {
      const objectBytes = make?.objectBytes ?? wanted ?? defaultObjectBytes;
      await makeVolume(real.store, { objectBytes, collectionBits: defaultCollectionBits }, path);
    }
    const header = await readVolume(real.store, path);
    if (wanted !== null && wanted !== header.objectBytes) {
      throw new OsdynoError(
        "bad-input",
        `the store ${path} has object_size=${header.objectBytes}, not ${wanted}; leave object_size= out, or give fresh=1 and --destroy to make it anew`,
      );
    }
    return new VolumeLayout(header);
  }

  private constructor(parts: OpenStoreParts) {
    this.planned = parts.planned;
    this.real = parts.real;
    this.memory = new StoreMemoryWatch(parts.real.store.state);
    this.#layout = parts.layout;
    this.#holds = parts.holds;
  }

  get objectBytes(): number {
    return this.#layout.objectBytes;
  }

  /** Ends it as if it had not been opened: a store that was made is gone. */
  async discard(): Promise<void> {
    try {
      await this.real.close();
      removeMade(this.planned);
    } finally {
      this.#holds.close();
    }
  }

  /** Ends it cleanly; throws `io` when that was not possible, and has let go of it then, too. */
  async close(): Promise<void> {
    try {
      await this.real.close();
    } catch (error) {
      throw withFullFileSystems(this.planned, error);
    } finally {
      this.#holds.close();
    }
  }

  /** Writes what the run is going to read and nobody wrote. */
  async layOut(plan: RunPlan, progress: LayoutProgress, signal: AbortSignal): Promise<void> {
    const { path, text } = this.planned;
    const layout = this.#layout;
    const ranges = readRanges(plan, text);
    const { store } = this.real;
    const hints = this.#volumeHints();
    const jobs = plan.phases.flatMap((phase) => phase.jobs);
    try {
      await layOutVolume({ store, layout, ranges, hints, path, progress, signal });
      await this.#layOutObjects(jobs, progress, signal);
    } catch (error) {
      throw withFullFileSystems(this.planned, error);
    }
  }

  /** The objects that jobs on objects work on, which are put if they have to be there and are not. */
  async #layOutObjects(
    jobs: readonly PlannedJob[],
    progress: LayoutProgress,
    signal: AbortSignal,
  ): Promise<void> {
    const own = jobs.filter(
      ({ objects, files }) =>
        objects !== undefined && files.some(({ path }) => path === this.planned.text),
    );
    if (own.length === 0) {
      return;
    }
    const verified = own.some(({ resolved }) => resolved.verify !== null);
    const hints = hintTeller(clientHints(this.planned.options), 0);
    this.objects = new ObjectSet(this.real.store, openChecksum("crc32c"), verified, hints);
    const errno = await this.objects.open();
    if (errno < 0) {
      throw new OsdynoError(
        "io",
        `${this.planned.path}: looking for its objects failed with errno ${-errno}`,
      );
    }
    for (const job of own) {
      if (job.resolved.objects !== null && needsObjects(job.resolved.objects)) {
        await layOutObjects(this.objects, job, progress, signal);
      }
    }
  }

  /** What every user of the store is told, and a part of its slots for so many operations. */
  #share(depth: number) {
    const { real, planned } = this;
    const firstSlot = real.firstUserSlot + this.#slotsTaken;
    this.#slotsTaken += depth;
    this.#open += 1;
    return {
      driver: real.driver,
      clock: real.clock,
      firstSlot,
      slots: depth,
      notes: [...real.notes, ...differences(real, planned.options).notes],
      counters: real.volumeCounters,
      facts: {
        ...real.deviceFacts,
        name: planned.text,
        sizeBytes: plannedVolumeBytes(planned),
        blockBytes: 1,
        writeCache: false,
        queueDepth: depth,
      },
      // Slots are given out anew once nobody has any: phases follow each other.
      closed: () => {
        this.#open -= 1;
        if (this.#open === 0) {
          this.#slotsTaken = 0;
        }
      },
    };
  }

  /** As images do it: an object is expected to be written to its end. */
  #volumeHints(): HintTeller | null {
    return hintTeller(clientHints(this.planned.options), this.objectBytes);
  }

  /** The volume, for a user with so many operations under way. */
  volume(depth: number): StoreVolume {
    return new StoreVolume({
      ...this.#share(depth),
      store: this.real.store,
      layout: this.#layout,
      hints: this.#volumeHints(),
    });
  }

  /** The objects of a job. */
  objectDevice({ objects, resolved, seed }: PlannedJob, depth: number): ObjectDevice {
    const { objects: set } = this;
    if (set === null || objects === undefined || resolved.objects === null) {
      throw new Error("internal error: a job on objects has none");
    }
    return new ObjectDevice({
      ...this.#share(depth),
      set,
      mix: resolved.objects,
      strideBytes: objects.strideBytes,
      firstObject: objects.first,
      objectCount: objects.count,
      sequential: !resolved.rw.startsWith("rand"),
      verify: resolved.verify !== null,
      seed,
    });
  }
}

/** The store's, its volume's and its objects'. */
function countersOf({ real, objects, memory }: OpenStore): PerfCounters {
  const own = real.perfCounters();
  // The key-value store in memory counts under the same name.
  const counters = { ...own, memory: { ...own["memory"], ...memory.counters() } };
  return objects === null ? counters : { ...counters, objects: objects.counters() };
}

/** The stores of a run while they are open. */
export class StoreSession {
  readonly #stores: readonly OpenStore[];
  #before: readonly PerfCounters[];

  /** Makes what is to be made and opens all; when it throws, none is open and none was made. */
  static async open(plan: RunPlan): Promise<StoreSession> {
    const stores: OpenStore[] = [];
    try {
      for (const planned of plan.stores) {
        stores.push(await OpenStore.open(planned, demandOf(plan, planned)));
      }
    } catch (error) {
      for (const store of stores) {
        await store.discard();
      }
      throw error;
    }
    return new StoreSession(stores);
  }

  private constructor(stores: readonly OpenStore[]) {
    this.#stores = stores;
    this.#before = stores.map(countersOf);
  }

  /** Tells the stages of traced operations from now on. */
  traceStages(clock: StageClock): void {
    for (const { real } of this.#stores) {
      real.store.traceStages(clock);
    }
  }

  /** To be called before anything is measured. Throws `io` or `interrupted`. */
  async layOut(plan: RunPlan, progress: LayoutProgress, signal: AbortSignal): Promise<void> {
    for (const store of this.#stores) {
      await store.layOut(plan, progress, signal);
    }
    this.#before = this.#stores.map(countersOf);
    for (const { memory } of this.#stores) {
      memory.begin();
    }
  }

  /** Looks how much memory the stores hold; to be called while jobs run, once a second or so. */
  lookAtMemory(): void {
    for (const { memory } of this.#stores) {
      memory.look();
    }
  }

  /** Options as they hold where that is not what was set, of the first store; `object_size` with them. */
  options(): Readonly<Record<string, { readonly value: string; readonly origin: string }>> {
    const first = this.#stores[0];
    if (first === undefined) {
      return {};
    }
    const { planned, real, objectBytes } = first;
    const object = { value: String(objectBytes), origin: originOfSize(planned) };
    return { ...differences(real, planned.options).held, object_size: object };
  }

  /** What was counted since all were open. */
  counters(): Readonly<Record<string, number>> {
    return flatOfStores(
      this.#stores.map((store, place) => ({
        text: store.planned.text,
        counters: perfSince(this.#before[place] ?? {}, countersOf(store)),
      })),
    );
  }

  /** What the stores found to be damaged, one line each, the newest last. */
  damage(): readonly string[] {
    return this.#stores.flatMap(({ planned, real }) =>
      real.store.state.damage.map(
        (line) =>
          `${planned.path}: ${line}; osdyno fsck ${planned.path} says what can still be read`,
      ),
    );
  }

  /** What is full where jobs failed, one line each. */
  room({ phases }: Pick<Execution, "phases">): readonly string[] {
    const errnos = phases.flatMap(({ outcome }) => outcome.jobs.map(({ error }) => error?.errno));
    return this.#stores.flatMap(({ planned, real }) => roomOf(planned, real, errnos));
  }

  /** A device for a job on the store of that target; null: the target is none. */
  device(text: string, depth: number): BlockDevice | null {
    const store = this.#stores.find(({ planned }) => planned.text === text);
    return store?.volume(depth) ?? null;
  }

  /** What a job on objects drives; null: the job is on none. */
  objectDevice(job: PlannedJob, depth: number): BlockDevice | null {
    const store = this.#stores.find(({ planned }) =>
      job.files.some(({ path }) => path === planned.text),
    );
    return job.objects === undefined ? null : (store?.objectDevice(job, depth) ?? null);
  }

  /** Ends all cleanly; throws the first `io` after all have been let go. */
  async close(): Promise<void> {
    let problem: unknown = null;
    for (const store of this.#stores) {
      try {
        await store.close();
      } catch (error) {
        problem ??= error;
      }
    }
    if (problem !== null) {
      throw problem;
    }
  }
}
