-- A small town's library: who wrote what, who has borrowed which copy. Made up for `make demo-sql`.

CREATE TABLE author (
    author_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    country TEXT,
    born INTEGER
);
CREATE TABLE book (
    book_id INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES author,
    title TEXT NOT NULL,
    genre TEXT,
    year INTEGER,
    pages INTEGER
);
CREATE TABLE member (
    member_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    town TEXT,
    joined DATE
);
CREATE TABLE loan (
    loan_id INTEGER PRIMARY KEY,
    book_id INTEGER NOT NULL REFERENCES book,
    member_id INTEGER NOT NULL REFERENCES member,
    borrowed DATE NOT NULL,
    returned DATE,
    "order" INTEGER
);

INSERT INTO author VALUES
    (1, 'Mara Lindqvist', 'Sweden', 1948), (2, 'Tomás Arriaga', 'Chile', 1961), (3, 'Ines Okafor', 'Nigeria', 1975),
    (4, 'Peter Holub', 'Czechia', 1932), (5, 'Yuki Tanabe', 'Japan', 1983);
INSERT INTO book VALUES
    (1, 1, 'The Salt Road', 'novel', 1979, 312), (2, 1, 'Winter Bees', 'novel', 1991, 268),
    (3, 2, 'Maps of Fog', 'poetry', 1994, 96), (4, 3, 'Eleven Rivers', 'novel', 2008, 421),
    (5, 3, 'A Kitchen in Lagos', 'memoir', 2015, 230), (6, 4, 'Night Tram', 'crime', 1968, 204),
    (7, 4, 'Night Tram Returns', 'crime', 1971, 219), (8, 5, 'Paper Harbour', 'crime', 2019, 355);
INSERT INTO member VALUES
    (1, 'Anna Berg', 'Hillford', '2019-03-02'), (2, 'Bo Nkosi', 'Hillford', '2020-11-15'),
    (3, 'Clara Ruiz', 'Eastmoor', '2021-06-30'), (4, 'Dan O''Neill', 'Eastmoor', '2023-01-09');
INSERT INTO loan VALUES
    (1, 1, 1, '2024-01-10', '2024-01-31', 1), (2, 4, 1, '2024-02-01', '2024-03-04', 2),
    (3, 6, 2, '2024-02-14', '2024-02-20', 1), (4, 7, 2, '2024-02-20', '2024-02-28', 2),
    (5, 8, 3, '2024-03-03', NULL, 1), (6, 5, 1, '2024-03-05', '2024-03-26', 3),
    (7, 8, 4, '2024-01-20', '2024-02-09', 1), (8, 3, 3, '2024-04-01', NULL, 2);
