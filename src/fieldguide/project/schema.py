"""The tables of the catalogue, in every form that they have had.

What an undone addition brought, or a later label replaced, stays in `labelling` and `provenance`. The views `standing`,
`label` and `origin` hold what is left when those are taken away; a place that an image was moved away from is still its
origin, with author and licence, but says nothing of its split. An image without a label is no longer part of the
project; its row and its original stay.

Rows are only ever added to `decision`, and the last one about an image holds: it outranks the verdicts in the view
`state`, and its class name, where it has one, the labels. The tables `review_…` are made from the rest of the catalogue
and can be made again: the order in which a person reviews the images, and how many there are of each kind.
"""

# One step for each form that the tables have had. Steps are only ever added.
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
    """
    DROP VIEW state;
    CREATE TABLE addition (
        id INTEGER PRIMARY KEY, number INTEGER NOT NULL, path TEXT NOT NULL, options TEXT NOT NULL,
        added_at TEXT NOT NULL, undone_at TEXT NOT NULL);
    CREATE TABLE labelling (
        id INTEGER PRIMARY KEY, addition INTEGER NOT NULL, sha256 TEXT NOT NULL REFERENCES image,
        class_name TEXT NOT NULL, by TEXT NOT NULL, source TEXT NOT NULL, location TEXT NOT NULL,
        replaces INTEGER NOT NULL, UNIQUE (addition, sha256, class_name, by, source, location));
    INSERT INTO labelling (addition, sha256, class_name, by, source, location, replaces)
        SELECT 0, sha256, class_name, by, '', '', 0 FROM label ORDER BY rowid;
    DROP TABLE label;
    CREATE INDEX labelling_image ON labelling (sha256);
    CREATE INDEX labelling_class ON labelling (class_name, sha256);
    CREATE TABLE current_class (class_name TEXT PRIMARY KEY);
    CREATE VIEW standing AS
        SELECT id, addition, sha256, class_name, by, source, location FROM labelling
        WHERE addition NOT IN (SELECT id FROM addition WHERE undone_at <> '')
            AND NOT EXISTS (
                SELECT 1 FROM labelling later
                WHERE later.sha256 = labelling.sha256 AND later.replaces AND later.id > labelling.id
                    AND later.addition NOT IN (SELECT id FROM addition WHERE undone_at <> ''));
    CREATE VIEW label AS SELECT DISTINCT sha256, class_name, by FROM standing;
    ALTER TABLE origin RENAME TO provenance;
    CREATE VIEW origin AS
        SELECT sha256, source, location, author, licence, licence_url,
            CASE WHEN EXISTS (SELECT 1 FROM labelling l
                              WHERE l.sha256 = p.sha256 AND l.source = p.source AND l.location = p.location)
                    AND NOT EXISTS (SELECT 1 FROM standing s
                                    WHERE s.sha256 = p.sha256 AND s.source = p.source AND s.location = p.location)
                 THEN '' ELSE given_split END AS given_split,
            title, page, author_url, licence_raw, query, parent, family
        FROM provenance p
        WHERE coalesce((SELECT min(l.addition IN (SELECT id FROM addition WHERE undone_at <> '')) FROM labelling l
                        WHERE l.sha256 = p.sha256 AND l.source = p.source AND l.location = p.location), 0) = 0;
    CREATE VIEW state AS
        SELECT image.sha256, image.format,
            coalesce((SELECT CASE WHEN count(DISTINCT class_name) = 1 THEN min(class_name) ELSE '' END FROM standing
                      WHERE standing.sha256 = image.sha256
                        AND (class_name IN current_class
                             OR NOT EXISTS (SELECT 1 FROM standing other WHERE other.sha256 = image.sha256
                                            AND other.class_name IN current_class))), '') AS class_name,
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
        FROM image WHERE EXISTS (SELECT 1 FROM standing WHERE standing.sha256 = image.sha256);
    """,
    """
    ALTER TABLE fingerprint ADD COLUMN colour BLOB NOT NULL DEFAULT x'';
    ALTER TABLE fetch ADD COLUMN colour BLOB NOT NULL DEFAULT x'';
    ALTER TABLE verdict ADD COLUMN copy_of TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL REFERENCES image, decision TEXT NOT NULL,
        class_name TEXT NOT NULL, action INTEGER NOT NULL, undoes INTEGER NOT NULL, restores INTEGER NOT NULL,
        view TEXT NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL);
    CREATE INDEX decision_image ON decision (sha256, id);
    CREATE INDEX decision_by ON decision (by, action, undoes);
    CREATE VIEW decided AS
        SELECT id AS revision, sha256, decision, class_name, view, restores FROM decision
        WHERE id = (SELECT max(id) FROM decision later WHERE later.sha256 = decision.sha256);
    DROP VIEW label;
    CREATE VIEW label AS
        SELECT DISTINCT sha256, class_name, by FROM standing
        WHERE NOT EXISTS (SELECT 1 FROM decided d WHERE d.sha256 = standing.sha256 AND d.class_name <> '')
        UNION ALL
        SELECT sha256, class_name, 'person' FROM decided
        WHERE class_name <> '' AND EXISTS (SELECT 1 FROM standing s WHERE s.sha256 = decided.sha256);
    DROP VIEW state;
    CREATE VIEW state AS
        SELECT sha256, format, class_name,
            CASE WHEN decision = 'drop' THEN 'rejected'
                 WHEN decision <> '' AND class_name <> ''
                        AND (class_name IN current_class OR NOT EXISTS (SELECT 1 FROM current_class))
                        AND EXISTS (SELECT 1 FROM fingerprint f WHERE f.sha256 = stated.sha256 AND f.dhash <> x'')
                    THEN 'kept'
                 WHEN EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = stated.sha256 AND v.verdict = 'reject')
                    THEN 'rejected'
                 WHEN EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = stated.sha256 AND v."check" = 'duplicates')
                    THEN 'kept'
                 ELSE 'unchecked' END AS state,
            coalesce((SELECT group_id FROM grouping g WHERE g.sha256 = stated.sha256), sha256) AS group_id,
            coalesce((SELECT split FROM split s WHERE s.sha256 = stated.sha256), '') AS split,
            (SELECT CASE WHEN sum(given_split = 'train') THEN 'train' WHEN sum(given_split = 'val') THEN 'val'
                         WHEN sum(given_split = 'test') THEN 'test' ELSE '' END
             FROM origin o WHERE o.sha256 = stated.sha256) AS given_split
        FROM (
            SELECT image.sha256, image.format,
                coalesce(
                    (SELECT nullif(d.class_name, '') FROM decided d WHERE d.sha256 = image.sha256),
                    (SELECT CASE WHEN count(DISTINCT class_name) = 1 THEN min(class_name) ELSE '' END FROM standing
                     WHERE standing.sha256 = image.sha256
                        AND (class_name IN current_class
                             OR NOT EXISTS (SELECT 1 FROM standing other WHERE other.sha256 = image.sha256
                                            AND other.class_name IN current_class))), '') AS class_name,
                coalesce((SELECT d.decision FROM decided d WHERE d.sha256 = image.sha256), '') AS decision
            FROM image WHERE EXISTS (SELECT 1 FROM standing WHERE standing.sha256 = image.sha256)) stated;
    CREATE VIEW review_state AS
        SELECT sha256, class_name, split, group_id, decision, view = 'audit' AS audited,
            CASE WHEN state = 'kept' AND decision = ''
                    AND EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = s.sha256 AND v.verdict = 'suspect')
                 THEN 'suspect' ELSE state END AS state
        FROM (SELECT sha256, class_name, split, group_id, state,
                  coalesce((SELECT decision FROM decided d WHERE d.sha256 = state.sha256), '') AS decision,
                  coalesce((SELECT view FROM decision d WHERE d.sha256 = state.sha256 ORDER BY id LIMIT 1), '') AS view
              FROM state) s;
    CREATE TABLE review_item (
        place INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, class_name TEXT NOT NULL, split TEXT NOT NULL,
        group_id TEXT NOT NULL, decision TEXT NOT NULL, audited INTEGER NOT NULL, state TEXT NOT NULL);
    CREATE UNIQUE INDEX review_item_image ON review_item (sha256);
    CREATE INDEX review_item_class ON review_item (class_name, place);
    CREATE INDEX review_item_split ON review_item (split, place);
    CREATE INDEX review_item_decision ON review_item (decision, place);
    CREATE INDEX review_item_state ON review_item (state, place);
    CREATE TABLE review_mark (
        kind TEXT NOT NULL, value TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (kind, value, place))
        WITHOUT ROWID;
    CREATE TABLE review_count (
        kind TEXT NOT NULL, value TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (kind, value)) WITHOUT ROWID;
    CREATE TABLE review_list (version INTEGER NOT NULL, made_from TEXT NOT NULL);
    """,
    """
    CREATE TABLE colours (sha256 TEXT PRIMARY KEY REFERENCES image, features BLOB NOT NULL);
    """,
    """
    CREATE TABLE alike (sha256 TEXT PRIMARY KEY REFERENCES image, group_id TEXT NOT NULL, why TEXT NOT NULL);
    INSERT INTO alike SELECT sha256, group_id, why FROM grouping;
    """,
    """
    CREATE INDEX alike_group ON alike (group_id);
    """,
    """
    CREATE TABLE capture (sha256 TEXT PRIMARY KEY REFERENCES image, taken_at TEXT NOT NULL, camera TEXT NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE features (sha256 TEXT PRIMARY KEY REFERENCES image, store TEXT NOT NULL, top INTEGER NOT NULL)
        WITHOUT ROWID;
    ALTER TABLE fetch ADD COLUMN limits TEXT NOT NULL DEFAULT '';
    """,
)
