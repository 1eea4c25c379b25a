using VmMigration.Engine.Native;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class KvmTrialTests
{
    [Fact]
    public void Answer_comes_with_a_reason_or_a_speed_within_half_a_second()
    {
        KvmTrialResult result = KvmTrial.Execute();
        TestContext.Current.TestOutputHelper?.WriteLine(result.ToString());
        Assert.InRange(result.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(0.5));
        if (result.Runs) Assert.InRange(result.MillionInstructionsPerSecond, 20, double.MaxValue);
        else Assert.NotEmpty(result.Obstacle!);
    }

    [Fact]
    public void Without_a_device_the_reason_names_it()
    {
        KvmTrialResult result = KvmTrial.Execute("/dev/no-such-kvm");
        Assert.False(result.Runs);
        Assert.Contains("/dev/no-such-kvm", result.Obstacle, StringComparison.Ordinal);
    }

    [Fact]
    public void Device_that_is_not_KVM_is_refused_with_the_call_that_failed()
    {
        KvmTrialResult result = KvmTrial.Execute("/dev/null");
        Assert.False(result.Runs);
        Assert.Contains("ENOTTY", result.Obstacle, StringComparison.Ordinal);
    }
}
