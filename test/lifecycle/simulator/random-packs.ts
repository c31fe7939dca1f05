import { type SimulatedPack } from "./world.ts";

/** Up to so many packs take part in one simulated transaction. */
const MAX_PACKS = 4;

/** Between one and four packs in dependency order: new ones, upgrades, removals; running, tried or neither; with snapshots or without. */
export function randomPacks(random: () => number): SimulatedPack[] {
  const packs: SimulatedPack[] = [];
  const count = 1 + Math.floor(random() * MAX_PACKS);
  for (let index = 0; index < count; index++) {
    const packId = `pack${index}`;
    const kind = random();
    const hasOld = kind > 0.3;
    const hasNew = kind < 0.8;
    const service = random();
    const wasRunning = hasOld && service < 0.6;
    const wasTried = hasOld && service > 0.85;
    const isStarted = hasNew && random() < 0.7;
    const restore = hasOld && hasNew && random() < 0.2 ? { generation: 2, transactionId: "earlier" } : null;
    packs.push({
      pack_id: packId,
      pack: {
        pack_id: packId,
        from: hasOld ? { generation: 4, digest: `${packId}-old`, version: "1.0.0", allow_all: 0 } : null,
        to: hasNew
          ? {
              generation: 7,
              digest: `${packId}-new`,
              version: "2.0.0",
              parent: hasOld ? 4 : null,
              allow_all: 0,
            }
          : null,
        was_running: wasRunning,
        was_tried: wasTried,
        reason: null,
        namespace: null,
        environment: [],
        data_epoch: null,
        restore,
      },
      hasInstallScript: hasNew && random() < 0.6,
      wantsSnapshot: hasOld && hasNew && random() < 0.5,
      start: isStarted,
      dependsOn: packs.filter(() => random() < 0.4).map(({ pack_id }) => pack_id),
    });
  }
  return packs;
}
