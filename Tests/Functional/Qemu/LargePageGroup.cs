using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>The tests that change or look at what the whole machine has of large pages; they run one after another.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class LargePageGroup
{
    public const string Name = "large pages";
}
