#include "postgres.h"
#include "base/compat.h"
#include "projection/compile.h"
void cqrs_fold_compile(CqrsStatement *statement, List *queries) { statement->reason = "Folds are not there yet."; }
