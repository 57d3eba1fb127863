"""The tables of the catalogue, one step for each form they have had. Steps are only ever added."""

__all__ = ["MIGRATIONS"]

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE image (
        sha256 TEXT PRIMARY KEY, format TEXT NOT NULL, bytes INTEGER NOT NULL, width INTEGER NOT NULL,
        height INTEGER NOT NULL, mode TEXT NOT NULL, frames INTEGER NOT NULL, added_at TEXT NOT NULL);
    CREATE TABLE origin (
        sha256 TEXT NOT NULL REFERENCES image, source TEXT NOT NULL, location TEXT NOT NULL, author TEXT NOT NULL,
        licence TEXT NOT NULL, licence_url TEXT NOT NULL, given_split TEXT NOT NULL,
        PRIMARY KEY (sha256, source, location));
    CREATE TABLE label (
        sha256 TEXT NOT NULL REFERENCES image, class_name TEXT NOT NULL, by TEXT NOT NULL,
        PRIMARY KEY (sha256, class_name, by));
    CREATE TABLE fingerprint (
        sha256 TEXT PRIMARY KEY REFERENCES image, dhash BLOB NOT NULL, mirror BLOB NOT NULL, grey BLOB NOT NULL);
    CREATE TABLE verdict (
        sha256 TEXT NOT NULL REFERENCES image, "check" TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
        score REAL NOT NULL, settings TEXT NOT NULL, PRIMARY KEY (sha256, "check"));
    CREATE TABLE grouping (sha256 TEXT PRIMARY KEY REFERENCES image, group_id TEXT NOT NULL, why TEXT NOT NULL);
    CREATE TABLE split (sha256 TEXT PRIMARY KEY REFERENCES image, split TEXT NOT NULL);
    CREATE TABLE run (name TEXT PRIMARY KEY, learner TEXT NOT NULL, inputs TEXT NOT NULL, made_at TEXT NOT NULL);
    CREATE TABLE look (run TEXT NOT NULL REFERENCES run, by TEXT NOT NULL, at TEXT NOT NULL);
    CREATE TABLE stage (name TEXT PRIMARY KEY, inputs TEXT NOT NULL, report TEXT NOT NULL, at TEXT NOT NULL);
    CREATE VIEW state AS
        SELECT image.sha256, image.format,
            coalesce((SELECT CASE WHEN count(DISTINCT class_name) = 1 THEN min(class_name) ELSE '' END
                      FROM label WHERE label.sha256 = image.sha256), '') AS class_name,
            CASE WHEN EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = image.sha256 AND v.verdict = 'reject')
                    THEN 'rejected'
                 WHEN EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = image.sha256 AND v."check" = 'duplicates')
                    THEN 'kept'
                 ELSE 'unchecked' END AS state,
            coalesce((SELECT group_id FROM grouping g WHERE g.sha256 = image.sha256), image.sha256) AS group_id,
            coalesce((SELECT split FROM split s WHERE s.sha256 = image.sha256), '') AS split,
            (SELECT CASE WHEN sum(given_split = 'train') THEN 'train' WHEN sum(given_split = 'val') THEN 'val'
                         WHEN sum(given_split = 'test') THEN 'test' ELSE '' END
             FROM origin o WHERE o.sha256 = image.sha256) AS given_split
        FROM image;
    """,
    """
    ALTER TABLE origin ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN page TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN author_url TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN licence_raw TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN query TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN parent TEXT NOT NULL DEFAULT '';
    ALTER TABLE origin ADD COLUMN family TEXT NOT NULL DEFAULT '';
    CREATE TABLE query (
        id INTEGER PRIMARY KEY, class_name TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL,
        options TEXT NOT NULL, parent TEXT NOT NULL, state TEXT NOT NULL, cursor TEXT NOT NULL, pages INTEGER NOT NULL,
        seen INTEGER NOT NULL, reason TEXT NOT NULL, UNIQUE (class_name, source, text, options, parent));
    CREATE TABLE page (
        query_id INTEGER NOT NULL REFERENCES query, number INTEGER NOT NULL, url TEXT NOT NULL, status INTEGER NOT NULL,
        headers TEXT NOT NULL, body BLOB NOT NULL, skipped TEXT NOT NULL, keys TEXT NOT NULL, fetched_at TEXT NOT NULL,
        PRIMARY KEY (query_id, number));
    CREATE TABLE candidate (
        id INTEGER PRIMARY KEY, query_id INTEGER NOT NULL REFERENCES query, class_name TEXT NOT NULL,
        url_key TEXT NOT NULL, rank INTEGER NOT NULL, record TEXT NOT NULL, judged TEXT NOT NULL,
        UNIQUE (class_name, url_key));
    CREATE INDEX label_class ON label (class_name, sha256);
    CREATE INDEX candidate_judged ON candidate (class_name, judged);
    CREATE TABLE fetch (
        url_key TEXT PRIMARY KEY, url TEXT NOT NULL, final_url TEXT NOT NULL, status INTEGER NOT NULL,
        reason TEXT NOT NULL, detail TEXT NOT NULL, passing INTEGER NOT NULL, content_type TEXT NOT NULL,
        elapsed_ms REAL NOT NULL, sha256 TEXT NOT NULL, image TEXT NOT NULL, dhash BLOB NOT NULL, mirror BLOB NOT NULL,
        grey BLOB NOT NULL, fetched_at TEXT NOT NULL);
    """,
)
