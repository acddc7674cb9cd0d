import sys,time,copy,torch
from torch import nn
from torch.nn import functional as F
from gancourse import env,nets
from gancourse.datasets import digits
from gancourse.datasets.batches import Batches
from gancourse.nets import cgan
from gancourse.nets.judge import Judge
from gancourse.nets.blocks import init_normal,down_block
from gancourse.objectives import discriminator_loss, r1_penalty
from gancourse.steps import gan_step, ema_update
from gancourse.loop import linear_decay
from gancourse.metrics import in_batches, frechet_distance
from gancourse.shapes import to_float
from pathlib import Path
P=Path('runs/judge.safetensors')
tr=digits.load(32,'train'); te=digits.load(32,'test'); al=digits.load(32,'all')
if not P.exists():
    rng=env.rng(0); j=Judge(); init=None
    opt=torch.optim.AdamW(j.parameters(),2e-3,fused=True); slow=linear_decay(opt,500,0.3)
    B=Batches(tr.images,tr.labels,size=100,rng=rng)
    t=time.time()
    for _ in range(500):
        x,y=next(B); sh=torch.randint(-2,3,(2,),generator=rng).tolist()
        with env.autocast(): l=j(x.roll(sh,(2,3)))
        opt.zero_grad(); F.cross_entropy(l.float(),y).backward(); opt.step(); slow.step()
    print('judge',time.time()-t,(in_batches(j,te.images).argmax(1)==te.labels).float().mean())
    nets.save(j,P)
judge=nets.load(P)
class Given(nn.Module):
    def __init__(s,net,c): super().__init__(); s.net,s.c=net,c
    def forward(s,x): return s.net(x,s.c)
class Proj(nn.Module):
    def __init__(s,classes=10,channels=1,width=24):
        super().__init__(); w=width
        s.look=nn.Sequential(*down_block(channels,w,norm=False),*down_block(w,2*w),*down_block(2*w,4*w))
        s.v=nn.Conv2d(4*w,1,4); s.e=nn.Linear(classes,16*4*w,bias=False)
    def forward(s,x,c):
        h=s.look(x); return s.v(h).flatten()+(h.flatten(1)*s.e(c)).sum(1)
class Planes(nn.Module):
    def __init__(s,classes=10,channels=1,width=24):
        super().__init__(); w=width
        s.look=nn.Sequential(*down_block(channels+classes,w,norm=False),*down_block(w,2*w),*down_block(2*w,4*w),nn.Conv2d(4*w,1,4),nn.Flatten(0))
    def forward(s,x,c): return s.look(cgan.join_maps(x,c))
def run(kind,lam,steps,seed=0,hold=0.5,width=24,quick=False,gamma=.1):
    onehot=torch.eye(10)
    rng=env.rng(seed)
    r=env.rng(seed,"cpu")
    G=init_normal(cgan.Generator(width=width),r); D=init_normal({'joint':cgan.Discriminator,'proj':Proj,'planes':Planes}[kind](width=width),r)
    for n in (G,D): n.to(memory_format=torch.channels_last)
    avg=copy.deepcopy(G)
    B=Batches(al.images,al.labels,size=32,rng=rng); sz=env.noise(64,rng)
    oG=torch.optim.Adam(G.parameters(),1e-3,betas=(.5,.99),fused=True);oD=torch.optim.Adam(D.parameters(),1e-3,betas=(.5,.99),fused=True)
    sG,sD=linear_decay(oG,steps,hold),linear_decay(oD,steps,hold)
    t=time.time()
    for n in range(steps):
        x,y=next(B); c=onehot[y]
        wrong=onehot[(y+torch.randint(1,10,y.shape,generator=rng))%10]
        def pen(Dg,x):
            out=0
            if n%8==0: out=out+8*gamma/2*r1_penalty(Dg,x)
            if lam:
                with env.autocast(): l=D(x,wrong)
                out=out+lam*F.softplus(l.float()).mean()
            return out
        p=pen if (lam or n%8==0) else None
        gan_step(Given(G,c),Given(D,c),oG,oD,iter([x]),sz,penalty=p,autocast=env.autocast)
        sG.step();sD.step(); ema_update(avg,G,min(.999,(n+1)/(n+10)))
    sec=time.time()-t
    # measure
    z=env.noise(64,env.rng(1))(2000); y=torch.arange(2000)%10
    avg.eval(); D.eval()
    with torch.no_grad():
        x=torch.cat([avg(a,onehot[b]) for a,b in zip(z.split(500),y.split(500))])
        f=in_batches(judge.features,x); lo=judge.head(f)
        acc=(lo.argmax(1)==y).float().mean()
        fr=in_batches(judge.features,al.images[torch.randperm(5000,generator=env.rng(2))[:2000]])
        fid=frechet_distance(f,fr)
        xt=to_float(te.images); w=(te.labels+torch.randint(1,10,te.labels.shape,generator=env.rng(3)))%10
        dr,dw,df=D(xt,onehot[te.labels]),D(xt,onehot[w]),D(x,onehot[y])
        print(f"{kind} lam={lam} steps={steps} g={gamma} seed={seed}: {sec:.0f}s acc {acc:.3f} fid {fid:.1f} right>0 {(dr>0).float().mean():.3f} wrong<0 {(dw<0).float().mean():.3f} right>wrong {(dr>dw).float().mean():.3f} fake>0 {(df>0).float().mean():.3f} means {dr.mean():.2f} {dw.mean():.2f} {df.mean():.2f}",flush=True)
    return avg,D,x
if __name__=="__main__":
    for a in sys.argv[1:]:
        kind,lam,steps,*rest=a.split(',')
        run(kind,float(lam),int(steps),gamma=float(rest[0]) if rest else .1)
