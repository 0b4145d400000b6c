// What is said before an image or a repository is deleted: every tag that goes, the bytes freed, who pulled it lately.
import { useState } from "react";
import { call, type Schemas } from "../api/client";
import { Confirm } from "./confirm";
import { Facts } from "./page";
import { ago, number, size } from "./shown";
import { announce } from "./toast";
import { t } from "./words";

interface Props {
  RegistryId: string;
  name: string;
  onDone: () => void;
  onCancel: () => void;
}

const parted = (name: string) => ({ NamespaceName: name.split("/")[0], RepositoryName: name.slice(name.indexOf("/") + 1) });

function Impact({ impact, whole }: { impact: Schemas["DeletionImpact"]; whole?: boolean }) {
  return (
    <>
      <Facts
        facts={[
          [t("Tags that go"), number(impact.TagCount)],
          ...(whole ? ([[t("Images that go"), number(impact.ImageCount)]] as [string, string][]) : []),
          [t("Space freed"), size(impact.FreedBytes)],
        ]}
      />
      {impact.Tags.length > 0 && (
        <ul className="tag-list" aria-label={t("Tags that go")}>
          {impact.Tags.slice(0, 40).map((tag) => (
            <li key={tag}><code>{tag}</code></li>
          ))}
          {impact.TagCount > 40 && <li>{t("and {count} more", { count: number(impact.TagCount - 40) })}</li>}
        </ul>
      )}
      <p>
        {t("Pulls:")} {lastPull(impact)}
        {impact.RecentPulls.length > 0 && ` · ${t("lately by {names}", { names: [...new Set(impact.RecentPulls.map((each) => (each.User === "anonymous" ? t("somebody") : each.UserName || each.User)))].join(", ") })}`}
      </p>
      {impact.MemberOf && <p>{t("An index names this image: it stays as a part of that when its tags are deleted.")}</p>}
    </>
  );
}

export function DeleteRepository({ RegistryId, name, onDone, onCancel }: Props) {
  const where = { RegistryId, ...parted(name) };
  return (
    <Confirm
      title={t("Delete repository {name}?", { name })}
      typed={name}
      impact={{
        keys: ["impact", name],
        ask: () => call("DescribeDeletionImpact", where),
        tell: (impact) => <Impact impact={impact} whole />,
      }}
      act={() => call("DeleteRepository", { ...where, ForceDelete: true })}
      onDone={() => {
        announce(t("{name} is deleted", { name }));
        onDone();
      }}
      onCancel={onCancel}
    />
  );
}

/** Deleting the image that a tag stands for, with every tag that shares it, or only the tag. */
export function DeleteImage({ RegistryId, name, tag, onDone, onCancel }: Props & { tag: string }) {
  const where = { RegistryId, ...parted(name) };
  const [all, setAll] = useState(false);
  return (
    <Confirm
      title={t("Delete {name}?", { name: `${name}:${tag}` })}
      impact={{
        keys: ["impact", name, tag],
        ask: () => call("DescribeDeletionImpact", { ...where, Reference: tag }),
        tell: (impact) =>
          impact.TagCount > 1 ? (
            <>
              <fieldset className="choice">
                <label>
                  <input type="radio" checked={!all} onChange={() => setAll(false)} /> {t("Only this tag; the image stays, for other tags stand for it")}
                </label>
                <label>
                  <input type="radio" checked={all} onChange={() => setAll(true)} /> {t("The image, with all {count} tags that stand for it", { count: impact.TagCount })}
                </label>
              </fieldset>
              {all && <Impact impact={impact} />}
            </>
          ) : (
            <>
              <p>{t("This is the image's last tag, so the image goes too.")}</p>
              <Impact impact={impact} />
            </>
          ),
      }}
      act={() => remove(where, tag, all)}
      onDone={() => {
        announce(t("{name} is deleted", { name: tag }));
        onDone();
      }}
      onCancel={onCancel}
    />
  );
}

async function remove(where: { RegistryId: string; NamespaceName: string; RepositoryName: string }, tag: string, all: boolean): Promise<void> {
  if (!all) {
    await call("DeleteImage", { ...where, ImageVersion: tag });
    return;
  }
  // The server lists at most a hundred tags at once and deletes at most twenty.
  for (;;) {
    const impact = await call("DescribeDeletionImpact", { ...where, Reference: tag });
    const others = impact.Tags.filter((each) => each !== tag);
    if (others.length === 0) break;
    await call("DeleteRepositoryTags", { ...where, Tags: others.slice(0, 20) });
  }
  await call("DeleteImage", { ...where, ImageVersion: tag });
}

export function lastPull(row: { PullCount: number; LastPullTime?: string | null }): string {
  return row.PullCount ? t("{count}, the last {when}", { count: number(row.PullCount), when: ago(row.LastPullTime) }) : t("never pulled");
}
