package enginetest_test

func benchWorker() error { return nil }
