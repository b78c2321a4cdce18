// vitest 5 reports a failing test with `Map.groupBy`, which Node 20 lacks: without this the failure is
// still a failure, but its details are lost.
Map.groupBy ??= (items, key) => {
  const groups = new Map()
  let index = 0
  for (const item of items) {
    const k = key(item, index++)
    const group = groups.get(k)
    if (group) group.push(item)
    else groups.set(k, [item])
  }
  return groups
}
