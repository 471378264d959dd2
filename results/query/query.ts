/** SQL over results: an in-memory database made of the run directories, for reading only. */
import { constants, DatabaseSync, type StatementSync } from "node:sqlite";
import { OsdynoError } from "../../engine/base/error.ts";
import { Filler, type Row } from "./fill.ts";
import { queryTables } from "./tables.ts";

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  /** Directories that could not be read, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
}

/** What a query may do: read, and call functions. */
const allowed: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]);

/**
 * Answers one statement over the results in `directories`. @throws OsdynoError `bad-input` for SQL that is
 * wrong, is no query, or is more than one statement.
 */
export function queryResults(directories: readonly string[], sql: string): QueryResult {
  const database = new DatabaseSync(":memory:");
  try {
    createTables(database);
    // The SQL is looked at before anything is read: mistakes cost no time.
    const columns = prepared(database, sql, false)
      .columns()
      .map(({ name }) => name);
    const skipped = fill(database, directories, /\bseries\b/i.test(sql));
    const rows = rowsOf(prepared(database, sql, true));
    return { columns, rows, skipped };
  } finally {
    database.close();
  }
}

function createTables(database: DatabaseSync): void {
  for (const { name, columns } of queryTables) {
    const parts = columns.map((column) => `${column.name} ${column.type}`);
    database.exec(`CREATE TABLE ${name} (${parts.join(", ")})`);
  }
}

function fill(database: DatabaseSync, directories: readonly string[], withSeries: boolean) {
  database.setAuthorizer(null);
  const statements = new Map<string, StatementSync>();
  for (const { name, columns } of queryTables) {
    const names = columns.map((column) => column.name);
    const values = names.map((column) => `:${column}`);
    const sql = `INSERT INTO ${name} (${names.join(", ")}) VALUES (${values.join(", ")})`;
    statements.set(name, database.prepare(sql));
  }
  const empty = new Map(
    queryTables.map(({ name, columns }) => [
      name,
      Object.fromEntries(columns.map((column) => [column.name, null])) as Row,
    ]),
  );
  const filler = new Filler((table, row) => {
    statements.get(table)?.run({ ...empty.get(table), ...row });
  }, withSeries);
  database.exec("BEGIN");
  for (const directory of directories) {
    filler.add(directory);
  }
  database.exec("COMMIT");
  return filler.skipped;
}

/** The statement, if it is one, and one that only reads. */
function prepared(database: DatabaseSync, sql: string, asArrays: boolean): StatementSync {
  const { SQLITE_DENY, SQLITE_OK } = constants;
  database.setAuthorizer((action) => (allowed.has(action) ? SQLITE_OK : SQLITE_DENY));
  let statement: StatementSync;
  try {
    statement = database.prepare(sql);
  } catch (error) {
    throw refusal(error);
  }
  const rest = sql.trim().slice(statement.sourceSQL.trim().length);
  if (/[^\s;]/.test(rest.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\//g, ""))) {
    throw new OsdynoError("bad-input", "the SQL holds several statements; ask one at a time");
  }
  const names = statement.columns().map(({ name }) => name);
  const twice = names.find((name, place) => names.indexOf(name) < place);
  if (twice !== undefined) {
    const message = `two columns of the answer are named ${twice}; name one otherwise with AS`;
    throw new OsdynoError("bad-input", message);
  }
  statement.setReturnArrays(asArrays);
  return statement;
}

function rowsOf(statement: StatementSync): readonly (string | number | null)[][] {
  try {
    const rows = statement.all() as unknown as readonly (readonly unknown[])[];
    return rows.map((row) => row.map((value) => plain(value)));
  } catch (error) {
    throw refusal(error);
  }
}

function plain(value: unknown): string | number | null {
  if (typeof value === "string" || typeof value === "number" || value === null) {
    return value;
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);
}

function refusal(error: unknown): OsdynoError {
  const message = error instanceof Error ? error.message : String(error);
  if (/not authorized|authorization denied|prohibited/.test(message)) {
    const why = "results query reads only: give a SELECT over the tables that --help lists";
    return new OsdynoError("bad-input", why, {}, error);
  }
  const table = /no such (?:table|column): (.*)/.exec(message);
  const help = table === null ? "" : `; results query --help lists the tables and their columns`;
  return new OsdynoError("bad-input", `SQL: ${message.replace(/\.$/, "")}${help}`, {}, error);
}
