-- ROWS redeemed rewards of three years, as the acts would have left them, for ROWS / 10 customers: what each COPY reads.

-- customers
SELECT c, CASE WHEN c % 50 <> 0 THEN 'customer' || c || '@' || (ARRAY['example.com', 'mail.example', 'post.example'])[1 + c % 3] END,
       CASE WHEN c % 4 <> 0 THEN '+486' || lpad((c * 7919::bigint % 100000000)::text, 8, '0') END,
       (ARRAY['Anna','Piotr','Maria','Jan','Katarzyna','Tomasz','Ewa','Marek','Zofia','Adam','Julia','Karol'])[1 + c * 31 % 12],
       (ARRAY['Nowak','Kowalski','Kowalczyk','Mazur','Krawczyk'])[1 + c * 17 % 5] || CASE WHEN c % 10 < 3 THEN '' ELSE (c % 5000)::text END,
       'member', '', '2023-01-01Z'::timestamptz, '2023-01-01Z'::timestamptz
FROM generate_series(1, {customers}) c;

-- codes
SELECT r, CASE WHEN r % 997 % 7 <> 3 THEN 1 + r % 997 % 3 END, code, code, '', '2023-01-01Z'::timestamptz
FROM (SELECT r, 'SUMMER-' || upper(substr(md5(r::text), 1, 14)) AS code FROM generate_series(1, {rows}) r WHERE r % 20 <> 0) made;

-- rewards
SELECT w, 'Reward ' || w, (ARRAY['percentage_discount','discount_code','free_delivery','gift'])[1 + w % 4] FROM generate_series(1, 40) w;

-- redeemed
SELECT r, customer, 1 + w % 40, CASE WHEN w % 7 <> 3 THEN 1 + w % 3 END, CASE WHEN r % 20 <> 0 THEN r END,
       CASE WHEN r % 50 = 0 THEN 'staff' WHEN r % 33 = 0 THEN 'api' ELSE 'programme' END,
       true, state IN ('pending', 'issued'), 'system',
       state, CASE WHEN state = 'issued' AND r % 10 < 7 THEN 'used' ELSE 'unused' END,
       CASE WHEN NOT (state = 'issued' AND r % 10 < 7) THEN '' WHEN kind <> 'gift' THEN 'ordered'
            ELSE (ARRAY['ordered','shipped','delivered','delivered','cancelled'])[1 + r % 5] END,
       CASE WHEN state = 'failed' THEN (ARRAY['not_made','invalid','unauthorized'])[1 + r % 3] ELSE '' END,
       CASE WHEN state = 'failed' THEN 'The shop did not make it.' ELSE '' END,
       at, CASE WHEN state IN ('issued', 'cancelled') THEN at END,
       CASE WHEN state = 'issued' AND r % 10 < 7 THEN at + r % 60 * interval '1 day' END,
       CASE WHEN state = 'issued' AND r % 10 < 7 AND kind <> 'gift' THEN 'order-' || r ELSE '' END,
       CASE WHEN state = 'cancelled' THEN at + interval '1 day' END,
       CASE WHEN r % 3 = 0 THEN at + interval '90 days' END, at,
       'Reward ' || 1 + w % 40, kind, 100 * (1 + w % 40), CASE WHEN r % 5 <> 0 THEN (1 + w % 40) * 1.25 END, 'USD',
       'Show the code at the checkout. It works once.', 'Valid once per order, not with other offers.', '', '', '', r % 4000,
       COALESCE('customer' || customer || '@example.com', ''), '+486' || lpad((customer * 7919::bigint % 100000000)::text, 8, '0'),
       (ARRAY['Anna','Piotr','Maria','Jan','Katarzyna','Tomasz','Ewa','Marek','Zofia','Adam','Julia','Karol'])[1 + customer * 31 % 12],
       (ARRAY['Nowak','Kowalski','Kowalczyk','Mazur','Krawczyk'])[1 + customer * 17 % 5] || CASE WHEN customer % 10 < 3 THEN '' ELSE (customer % 5000)::text END, ''
FROM (SELECT r, 1 + ((r * 7919::bigint) % {customers})::int AS customer, r % 997 AS w,
             (ARRAY['percentage_discount','discount_code','free_delivery','gift'])[1 + (1 + r % 997 % 40) % 4] AS kind,
             CASE WHEN r % 1000 = 1 THEN 'pending' WHEN r % 400 = 2 THEN 'failed' WHEN r % 100 = 3 THEN 'cancelled' ELSE 'issued' END AS state,
             '2023-03-01Z'::timestamptz + r * (interval '1095 days' / {rows}) AS at
      FROM generate_series(1, {rows}) r) made;
