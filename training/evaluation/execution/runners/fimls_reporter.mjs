// A reporter for `node --test`: one line of JSON for each test and suite that ended.
export default async function* report(source) {
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, nesting, file, skip, todo, details } = event.data;
    const passed = event.type === "test:pass" && skip === undefined && todo === undefined;
    const cause = details?.error?.cause ?? details?.error;
    yield JSON.stringify({
      name, nesting, file, passed,
      skipped: skip !== undefined || todo !== undefined,
      suite: details?.type === "suite",
      duration_s: (details?.duration_ms ?? 0) / 1000,
      detail: passed ? "" : String(cause?.message ?? cause ?? "").slice(0, 500),
    }) + "\n";
  }
}
